"""Writes answers as Chat Completions (https://platform.openai.com/docs/api-reference/chat/object, …/chat-streaming)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from unigate.conversation import (
    Answer,
    Asked,
    Begin,
    Block,
    Citation,
    Cited,
    Close,
    Delta,
    End,
    Event,
    Logprob,
    Open,
    Reason,
    Refused,
    Signed,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.signatures import wrap
from unigate.usage import Usage

__all__ = ["ChatWriter"]

_OWN: Final = "openai.chat"
_DONE: Final = b"data: [DONE]\n\n"
_WHOLE: Final = (
    b'{"id":%b,"object":"chat.completion","created":%d,"model":%b,"choices":[{"index":0,"message":%b,"logprobs":%b,'
    b'"finish_reason":"%b"}],"usage":%b}'
)
_PLAIN: Final = b'{"role":"assistant","content":%b,"refusal":null}'
_USAGE: Final = (
    b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{%b},'
    b'"completion_tokens_details":{%b}}'
)
_FINISH: Final = {
    Reason.STOP: "stop",
    Reason.STOP_SEQUENCE: "stop",
    Reason.PAUSE: "stop",
    Reason.LENGTH: "length",
    Reason.TOOL_USE: "tool_calls",
    Reason.FILTER: "content_filter",
    Reason.REFUSAL: "content_filter",
}
_encode: Final = msgspec.json.Encoder().encode

_REFUSAL: Final = Reason.REFUSAL
_NO_USAGE: Final = Usage()

_Json = dict[str, object]
_Kind = Literal["text", "thinking", "redacted", "tool", "custom", "refusal", "foreign"]


class ChatWriter:
    """Writes one answer, chunk by chunk or whole."""

    __slots__ = (
        "_asked",
        "_before",
        "_cited",
        "_has_words",
        "_index_of_tool",
        "_kinds",
        "_length",
        "_offset",
        "_origin",
        "_signature",
        "_tail",
        "_thought",
        "_usage",
        "_was_refused",
    )

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._usage = _NO_USAGE
        self._kinds: dict[int, _Kind] = {}  # of the blocks that are open
        self._index_of_tool: dict[int, int] = {}
        self._thought = -1
        self._origin = ""  # of the reasoning that is open, and its signature so far
        self._signature = ""
        self._has_words = False
        self._was_refused = False
        # OpenAI tells all sources in one chunk, and its libraries can put no second one together with the first.
        self._cited: list[_Json] = []
        # Places in the text count from its beginning, of which all blocks are parts.
        self._offset = 0
        self._length = 0
        # Every chunk begins and ends alike; both are known once the answer has begun.
        self._before = b""
        self._tail = b',"usage":null}\n\n' if asked.shows_usage else b"}\n\n"

    def write(self, events: Iterable[Event]) -> bytes:
        """See `AnswerWriter.write`."""
        written = b""
        for event in events:
            match event:
                case Delta():
                    written += self._delta(event)
                case Open(index, block):
                    written += self._open(index, block)
                case Cited(_, citation):
                    self._cited.append(_annotation(citation, self._offset))
                case Close(index):
                    written += self._close(index)
                case Signed(_, signature):
                    self._signature += signature
                case Spent(usage):
                    self._usage = usage
                case Begin():
                    written += self._begin(event)
                case End(reason):
                    written += self._end(reason)
        return written

    def _begin(self, begin: Begin) -> bytes:
        head = _encode({"id": begin.id or f"chatcmpl-{self._asked.id}", "object": "chat.completion.chunk"})
        rest = _encode({"created": self._asked.at, "model": begin.model or self._asked.model})
        self._before = b"data: " + head[:-1] + b"," + rest[1:-1] + b',"choices":[{"index":0,"delta":{'
        return self._chunk(b'"role":"assistant","content":"","refusal":null')

    def _chunk(self, delta: bytes, logprobs: bytes = b"null") -> bytes:
        return b'%b%b},"logprobs":%b,"finish_reason":null}]%b' % (self._before, delta, logprobs, self._tail)

    def _open(self, index: int, block: Block) -> bytes:
        match block:
            case Text():
                self._kinds[index] = "text"
                self._offset += self._length
                self._length = 0
            case Thinking():
                self._thought += 1
                self._kinds[index] = "redacted" if block.redacted else "thinking"
                self._origin, self._signature, self._has_words = block.origin, "", False
                if block.redacted:
                    return self._chunk(b'"reasoning_details":' + _encode([_detail(block, self._thought)]))
            case Refused():
                self._kinds[index] = "refusal"
                self._was_refused = True
            case ToolUse(id, name):
                number = self._index_of_tool[index] = len(self._index_of_tool)
                self._kinds[index] = "custom" if block.custom else "tool"
                call: _Json = {"index": number, "id": id, **_call(block, name, "")}
                return self._chunk(b'"tool_calls":' + _encode([call]))
            case _:
                self._kinds[index] = "foreign"
        return b""

    def _close(self, index: int) -> bytes:
        if self._kinds.pop(index, None) != "thinking" or not self._signature:
            return b""
        if self._origin == _OWN and not self._has_words:
            return self._chunk(b'"extra_content":' + _encode(_extra(self._signature)))
        detail = _detail(Thinking("", self._signature, self._origin), self._thought)
        if self._has_words:
            # That there is no text tells a client's lost words from a signature that has none.
            del detail["text"]
        return self._chunk(b'"reasoning_details":' + _encode([detail]))

    def _delta(self, delta: Delta) -> bytes:
        text = _encode(delta.text)
        match self._kinds.get(delta.index):
            case "text":
                self._length += len(delta.text)
                logprobs = _encode(_logprobs(delta.logprobs)) if delta.logprobs else b"null"
                return self._chunk(b'"content":' + text, logprobs)
            case "thinking":
                self._has_words = True
                detail = b'{"type":"reasoning.text","text":%b,"index":%d}' % (text, self._thought)
                return self._chunk(b'"reasoning_content":%b,"reasoning_details":[%b]' % (text, detail))
            case "tool":
                number = self._index_of_tool[delta.index]
                return self._chunk(b'"tool_calls":[{"index":%d,"function":{"arguments":%b}}]' % (number, text))
            case "custom":
                number = self._index_of_tool[delta.index]
                return self._chunk(b'"tool_calls":[{"index":%d,"custom":{"input":%b}}]' % (number, text))
            case "refusal":
                return self._chunk(b'"refusal":' + text)
            case _:
                return b""

    def _end(self, reason: Reason) -> bytes:
        finish = self._finish(reason).encode()
        written = self._chunk(b'"annotations":' + _encode(self._cited)) if self._cited else b""
        written += b'%b},"logprobs":null,"finish_reason":"%b"}]%b' % (self._before, finish, self._tail)
        usage = _usage(self._usage) if self._asked.shows_usage else None
        if usage is not None:
            head = self._before[: self._before.index(b',"choices":')]
            written += b'%b,"choices":[],"usage":%b}\n\n' % (head, usage)
        return written + _DONE

    def _finish(self, reason: Reason) -> str:
        # OpenAI's own refusals are told in a field of their own, and end like any answer.
        return "stop" if self._was_refused and reason is _REFUSAL else _FINISH[reason]

    def whole(self, answer: Answer) -> bytes:
        """See `AnswerWriter.whole`."""
        text = answer.plain_text
        message, logprobs = self._message(answer.blocks) if text is None else (_PLAIN % _encode(text), b"null")
        return _WHOLE % (
            _encode(answer.id or f"chatcmpl-{self._asked.id}"),
            self._asked.at,
            _encode(answer.model or self._asked.model),
            message,
            logprobs,
            self._finish(answer.reason).encode(),
            _usage(answer.usage) or b"null",
        )

    def _message(self, blocks: Sequence[Block]) -> tuple[bytes, bytes]:
        """The message of a whole answer and its probabilities."""
        self._was_refused = any(isinstance(block, Refused) for block in blocks)
        tokens = [one for block in blocks if isinstance(block, Text) for one in block.logprobs]
        return _encode(_rich_message(blocks)), _encode(_logprobs(tokens)) if tokens else b"null"


def _rich_message(blocks: Sequence[Block]) -> _Json:
    texts = [block for block in blocks if isinstance(block, Text)]
    thoughts = [block for block in blocks if isinstance(block, Thinking)]
    calls = [block for block in blocks if isinstance(block, ToolUse)]
    refusals = [block.text for block in blocks if isinstance(block, Refused)]
    message: _Json = {
        "role": "assistant",
        "content": "".join(block.text for block in texts) if texts else None,
        "refusal": "".join(refusals) if refusals else None,
    }
    if shown := "".join(thought.text for thought in thoughts):
        message["reasoning_content"] = shown
    bare = [thought for thought in thoughts if _is_bare(thought)]
    if bare:
        message["extra_content"] = _extra(bare[0].signature)
    if len(thoughts) > len(bare):
        details = [_detail(thought, number) for number, thought in enumerate(thoughts) if not _is_bare(thought)]
        message["reasoning_details"] = details
    if calls:
        message["tool_calls"] = [{"id": call.id, **_call(call, call.name, call.arguments)} for call in calls]
    if annotations := _annotations(texts):
        message["annotations"] = annotations
    return message


def _annotations(texts: Iterable[Text]) -> list[_Json]:
    """The citations of all texts, their places counted in the one text that they become."""
    annotations: list[_Json] = []
    offset = 0
    for text in texts:
        annotations += [_annotation(citation, offset) for citation in text.citations]
        offset += len(text.text)
    return annotations


def _call(block: ToolUse, name: str, arguments: str) -> _Json:
    if block.custom:
        return {"type": "custom", "custom": {"name": name, "input": arguments}}
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def _is_bare(thought: Thinking) -> bool:
    """Whether it is a signature that one of this format's own services hung onto something else."""
    return thought.origin == _OWN and not thought.text and not thought.redacted


def _extra(signature: str | None) -> _Json:
    return {"google": {"thought_signature": signature}}


def _detail(thought: Thinking, number: int) -> _Json:
    slot = thought.signature
    if slot is not None and thought.origin != _OWN:
        slot = wrap(slot, thought.origin)
    if thought.redacted:
        return {"type": "reasoning.encrypted", "data": slot, "index": number}
    signed = {"signature": slot} if slot else {}
    return {"type": "reasoning.text", "text": thought.text, **signed, "index": number}


def _annotation(citation: Citation, offset: int = 0) -> _Json:
    start, end = citation.start, citation.end
    if citation.url is None:
        place: _Json = {
            "title": citation.title,
            "quote": citation.quote,
            "document_index": citation.document,
            "page": citation.page,
        }
        return {"type": "document_citation", "document_citation": place}
    return {
        "type": "url_citation",
        "url_citation": {
            "url": citation.url,
            "title": citation.title or citation.url,
            "start_index": (start or 0) + offset,
            "end_index": (end or start or 0) + offset,
        },
    }


def _logprobs(tokens: Iterable[Logprob]) -> _Json:
    content = [
        {
            **_token(one.token, one.logprob),
            "top_logprobs": [_token(token, logprob) for token, logprob in one.others],
        }
        for one in tokens
    ]
    return {"content": content, "refusal": None}


def _token(token: str, logprob: float) -> _Json:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _usage(usage: Usage) -> bytes | None:
    if usage.input_tokens is None and usage.estimated:
        return None
    inputs, outputs = usage.input_tokens or 0, usage.output_tokens or 0
    cached, reasoning = usage.cached_tokens, usage.reasoning_tokens
    fed = b'"cached_tokens":%d' % cached if cached is not None else b""
    made = b'"reasoning_tokens":%d' % reasoning if reasoning is not None else b""
    for name, count in ((b"audio_tokens", usage.audio_input_tokens), (b"cache_write_tokens", usage.cache_write_tokens)):
        if count is not None:
            fed += b'%b"%b":%d' % (b"," if fed else b"", name, count)
    if usage.audio_output_tokens is not None:
        made += b'%b"audio_tokens":%d' % (b"," if made else b"", usage.audio_output_tokens)
    return _USAGE % (inputs, outputs, inputs + outputs, fed, made)
