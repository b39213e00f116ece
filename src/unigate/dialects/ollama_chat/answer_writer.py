"""Writes answers as Ollama's chat and generate do, whole or as lines (https://docs.ollama.com/api/chat).

How long everything took is left out, as Ollama itself leaves out what it did not measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from unigate.conversation import (
    Answer,
    Asked,
    Begin,
    Block,
    Close,
    Data,
    Delta,
    End,
    Event,
    Image,
    Logprob,
    Open,
    Reason,
    Refused,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.ollama_chat.turns import arguments_of
from unigate.usage import Usage

__all__ = ["chat_writer", "generate_writer"]

_NOTHING: Final = b'""'
_encode: Final = msgspec.json.Encoder().encode

_Json = dict[str, object]
# What was said, thought, and made otherwise (fields as JSON), as the fields of a line.
_Said = Callable[[bytes, bytes, bytes], bytes]


def chat_writer(asked: Asked) -> _Writer:
    """Writes one answer of a chat."""
    return _Writer(asked, _in_message)


def generate_writer(asked: Asked) -> _Writer:
    """Writes one generated text."""
    return _Writer(asked, _in_response)


def _in_message(text: bytes, thinking: bytes, rest: bytes) -> bytes:
    thought = b',"thinking":' + thinking if thinking else b""
    return b'"message":{"role":"assistant","content":%b%b%b}' % (text, thought, rest)


def _in_response(text: bytes, thinking: bytes, rest: bytes) -> bytes:
    thought = b',"thinking":' + thinking if thinking else b""
    return b'"response":%b%b%b' % (text, thought, rest)


class _Writer:
    """Writes one answer, line by line or whole. A call is told whole, so its arguments are gathered."""

    __slots__ = ("_asked", "_calls", "_head", "_made", "_said", "_thoughts", "_usage")

    def __init__(self, asked: Asked, said: _Said) -> None:
        self._asked = asked
        self._said = said
        self._thoughts: set[int] = set()
        self._calls: dict[int, tuple[ToolUse, list[str]]] = {}  # the open ones
        self._made = 0
        self._usage = Usage()
        self._head = b""  # what every line begins with

    def write(self, events: Iterable[Event]) -> bytes:
        """See `AnswerWriter.write`."""
        return b"".join([line for event in events if (line := self._line_of(event))])

    def whole(self, answer: Answer) -> bytes:
        """See `AnswerWriter.whole`."""
        self._begin(answer.model)
        self._usage = answer.usage
        texts = [block.text for block in answer.blocks if isinstance(block, Text | Refused)]
        thoughts = "".join(block.text for block in answer.blocks if isinstance(block, Thinking))
        rest = _fields(
            [_image(block) for block in answer.blocks if _is_image(block)],
            [self._call(block, block.arguments) for block in answer.blocks if isinstance(block, ToolUse)],
        )
        tokens = [one for block in answer.blocks if isinstance(block, Text) for one in block.logprobs]
        said = self._said(_encode("".join(texts)), _encode(thoughts) if thoughts else b"", rest)
        return self._head + said + self._done(answer.reason) + _logprobs(tokens) + b"}"

    def _line_of(self, event: Event) -> bytes:
        match event:
            case Delta():
                return self._delta(event)
            case Open(index, block):
                return self._open(index, block)
            case Close(index):
                call = self._calls.pop(index, None)
                if call is None:
                    return b""
                return self._line(_NOTHING, b"", _fields([], [self._call(call[0], "".join(call[1]))]))
            case Begin():
                self._begin(event.model)
            case Spent(usage):
                self._usage = usage
            case End(reason):
                return b"%b%b%b}\n" % (self._head, self._said(_NOTHING, b"", b""), self._done(reason))
            case _:
                pass
        return b""

    def _begin(self, model: str) -> None:
        at = datetime.fromtimestamp(self._asked.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._head = b'{"model":%b,"created_at":"%b",' % (_encode(model or self._asked.model), at.encode())

    def _delta(self, delta: Delta) -> bytes:
        index, text = delta.index, delta.text
        if index in self._calls:
            self._calls[index][1].append(text)
            return b""
        if index in self._thoughts:
            return self._line(_NOTHING, _encode(text))
        return self._line(_encode(text), b"", b"", _logprobs(delta.logprobs))

    def _open(self, index: int, block: Block) -> bytes:
        match block:
            case Thinking():
                self._thoughts.add(index)
            case ToolUse():
                self._calls[index] = (block, [])
            case Image(source) if isinstance(source, Data):
                return self._line(_NOTHING, b"", _fields([source.base64], []))
            case _:
                pass
        return b""

    def _line(self, text: bytes, thinking: bytes, rest: bytes = b"", told: bytes = b"") -> bytes:
        return b'%b%b%b,"done":false}\n' % (self._head, self._said(text, thinking, rest), told)

    def _call(self, call: ToolUse, arguments: str) -> _Json:
        made: _Json = {"index": self._made, "name": call.name, "arguments": arguments_of(arguments)}
        self._made += 1
        return {"id": call.id, "function": made}

    def _done(self, reason: Reason) -> bytes:
        told = b"length" if reason is Reason.LENGTH else b"stop"
        counts = b""
        if self._usage.input_tokens is not None:
            counts += b',"prompt_eval_count":%d' % self._usage.input_tokens
        if self._usage.output_tokens is not None:
            counts += b',"eval_count":%d' % self._usage.output_tokens
        return b',"done":true,"done_reason":"%b"%b' % (told, counts)


def _is_image(block: Block) -> bool:
    return isinstance(block, Image) and isinstance(block.source, Data)


def _image(block: Block) -> str:
    assert isinstance(block, Image)
    assert isinstance(block.source, Data)
    return block.source.base64


def _fields(images: Sequence[str], calls: Sequence[_Json]) -> bytes:
    shown = b',"images":' + _encode(images) if images else b""
    return shown + b',"tool_calls":' + _encode(calls) if calls else shown


def _logprobs(logprobs: Sequence[Logprob]) -> bytes:
    if not logprobs:
        return b""
    return b',"logprobs":' + _encode([_token(one.token, one.logprob, one.others) for one in logprobs])


def _token(token: str, logprob: float, others: Iterable[tuple[str, float]]) -> _Json:
    top = [{"token": other, "logprob": number, "bytes": list(other.encode())} for other, number in others]
    return {"token": token, "logprob": logprob, "bytes": list(token.encode()), "top_logprobs": top}
