"""Writes answers of the Responses API (https://platform.openai.com/docs/api-reference/responses-streaming)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from unigate.conversation import (
    Answer,
    Asked,
    Begin,
    Block,
    Cited,
    Close,
    Data,
    Delta,
    End,
    Event,
    Foreign,
    Image,
    Open,
    Reason,
    Refused,
    Signed,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.collect import events_of
from unigate.dialects.openai_responses.fields import OWN
from unigate.dialects.openai_responses.output_writer import (
    CallItem,
    Finished,
    MessageItem,
    Numbers,
    Piece,
    ThinkingItem,
    WholeItem,
    plain_message,
)
from unigate.usage import Usage

__all__ = ["ResponsesWriter"]

_STOPPED: Final[Mapping[Reason, bytes]] = {Reason.LENGTH: b"max_output_tokens", Reason.FILTER: b"content_filter"}
_REFUSAL: Final = Reason.REFUSAL  # under a name of the module: an enumeration's members are slow to look up
_NO_USAGE: Final = Usage()
_encode: Final = msgspec.json.Encoder().encode
_DEFAULTS: Final[Mapping[str, object]] = {
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,  # nothing is kept that could be asked for later
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
_SETTINGS: Final[Mapping[str, bytes]] = {
    name: b'"%b":%b' % (name.encode(), _encode(value)) for name, value in _DEFAULTS.items()
}


class ResponsesWriter:
    """Writes one answer, event by event or whole; the format restates all of it at its end."""

    __slots__ = (
        "_asked",
        "_final",
        "_finished",
        "_head",
        "_message",
        "_numbers",
        "_open",
        "_refused",
        "_settings",
        "_usage",
    )

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._numbers = Numbers(asked.id)
        self._finished: Finished = {}
        self._message: MessageItem | None = None  # texts that follow each other are parts of one message
        self._open: dict[int, Piece] = {}
        self._usage = _NO_USAGE
        self._refused = False
        self._head = self._settings = self._final = b""

    def write(self, events: Iterable[Event]) -> bytes:
        """See `AnswerWriter.write`."""
        written: list[bytes] = []
        for event in events:
            match event:
                case Delta(index, text, logprobs):
                    written.append(self._open[index].delta(text, logprobs))
                case Open(index, block):
                    self._begin_block(index, block, written)
                case Signed(index, signature):
                    self._open[index].sign(signature)
                case Cited(index, citation):
                    written.append(self._open[index].cite(citation))
                case Close(index):
                    piece = self._open.pop(index, None)
                    written += [piece.close()] if piece is not None else []
                case Begin():
                    self._begin(event, written)
                case Spent(usage):
                    self._usage = usage
                case End(reason):
                    self._end(reason, written)
        return b"".join(written)

    def whole(self, answer: Answer) -> bytes:
        """See `AnswerWriter.whole`."""
        text = answer.plain_text
        if text is not None:  # nobody reads the events
            return self._plain(answer, text)
        self.write(events_of(answer))
        return self._final

    def _plain(self, answer: Answer, text: str) -> bytes:
        why = _STOPPED.get(Reason.FILTER if answer.reason is _REFUSAL else answer.reason)
        self._know(answer)
        self._usage = answer.usage
        return self._last(why, plain_message(self._numbers, text, b"completed" if why is None else b"incomplete"))

    def _know(self, begin: Begin | Answer) -> None:
        """What every restatement of the response begins with and ends with."""
        asked = self._asked
        self._head = b'{"id":%b,"object":"response","created_at":%d,"model":%b' % (
            _encode(begin.id or f"resp_{asked.id}"),
            asked.at,
            _encode(begin.model or asked.model),
        )
        settings = dict(_SETTINGS)
        for name, raw in asked.echo.items():
            settings[name] = b'"%b":%b' % (name.encode(), raw)
        self._settings = b",".join(settings.values())

    def _begin(self, begin: Begin, written: list[bytes]) -> None:
        self._know(begin)
        response = self._response(b"in_progress", b"", b"null", b"null")
        for kind in (b"response.created", b"response.in_progress"):
            written.append(self._numbers.event(kind, b'"response":' + response))

    def _response(self, status: bytes, output: bytes, why: bytes, usage: bytes) -> bytes:
        return (
            b'%b,"status":"%b","background":false,"completed_at":null,"error":null,"incomplete_details":%b,'
            b'"output":[%b],"usage":%b,%b}' % (self._head, status, why, output, usage, self._settings)
        )

    def _begin_block(self, index: int, block: Block, written: list[bytes]) -> None:
        numbers, finished = self._numbers, self._finished
        match block:
            case Text() | Refused():
                if self._message is None:
                    self._message = MessageItem(numbers, finished)
                    written.append(self._message.added())
                self._refused = self._refused or isinstance(block, Refused)
                piece = self._message.part(isinstance(block, Refused))
            case Thinking():
                piece = ThinkingItem(numbers, finished, block)
            case ToolUse():
                piece = CallItem(numbers, finished, block, self._asked.spaces.get(block.name))
            case Image(Data() as data):
                piece = WholeItem.of_picture(numbers, finished, data)
            case Foreign(origin, _, raw) if origin == OWN:
                piece = WholeItem(numbers, finished, raw)
            case _:
                return
        if not isinstance(block, Text | Refused):
            self._end_message("completed", written)
        self._open[index] = piece
        written.append(piece.open())

    def _end_message(self, status: str, written: list[bytes]) -> None:
        if self._message is not None:
            written.append(self._message.done(status))
            self._message = None

    def _end(self, reason: Reason, written: list[bytes]) -> None:
        # A refusal in words is a complete answer; one without them is known only by where it was cut.
        reason = Reason.FILTER if reason is Reason.REFUSAL and not self._refused else reason
        self._end_message("incomplete" if reason in _STOPPED else "completed", written)
        output = b",".join(self._finished[place] for place in sorted(self._finished))
        self._final = self._last(_STOPPED.get(reason), output)
        kind = b"response.incomplete" if reason in _STOPPED else b"response.completed"
        written.append(self._numbers.event(kind, b'"response":' + self._final))

    def _last(self, why: bytes | None, output: bytes) -> bytes:
        if why is None:
            return self._response(b"completed", output, b"null", _usage(self._usage))
        return self._response(b"incomplete", output, b'{"reason":"%b"}' % why, _usage(self._usage))


def _usage(usage: Usage) -> bytes:
    """The counts as the format has them; null if the input is unknown, since a zero would be a lie."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return b"null"
    return (
        b'{"input_tokens":%d,"input_tokens_details":{"cached_tokens":%d,"cache_write_tokens":%d},"output_tokens":%d,'
        b'"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%d}'
        % (
            usage.input_tokens,
            usage.cached_tokens or 0,
            usage.cache_write_tokens or 0,
            usage.output_tokens,
            usage.reasoning_tokens or 0,
            usage.input_tokens + usage.output_tokens,
        )
    )
