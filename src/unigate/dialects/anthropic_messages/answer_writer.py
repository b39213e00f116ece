"""Writes answers as the Messages API does (https://platform.claude.com/docs/en/build-with-claude/streaming)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from unigate.conversation import (
    Answer,
    Asked,
    Begin,
    Block,
    Cited,
    Close,
    Delta,
    End,
    Event,
    Foreign,
    Open,
    Reason,
    Refused,
    Signed,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.anthropic_messages.citations import written_citation
from unigate.dialects.anthropic_messages.counts import written_usage
from unigate.dialects.anthropic_messages.fields import OWN
from unigate.dialects.arguments import written_arguments
from unigate.dialects.signatures import wrap
from unigate.usage import Usage

__all__ = ["MessagesWriter"]

_STOP: Final = Reason.STOP  # under a name of the module: an enumeration's members are slow to look up
_REASONS: Final = {
    Reason.STOP: "end_turn",
    Reason.STOP_SEQUENCE: "stop_sequence",
    Reason.LENGTH: "max_tokens",
    Reason.TOOL_USE: "tool_use",
    Reason.FILTER: "refusal",
    Reason.REFUSAL: "refusal",
    Reason.PAUSE: "pause_turn",
}
_MESSAGE: Final = (
    b'{"id":%b,"type":"message","role":"assistant","model":%b,"content":%b,"stop_reason":%b,"stop_sequence":%b,'
    b'"stop_details":%b,"usage":%b}'
)
_MESSAGE_START: Final = b'event: message_start\ndata: {"type":"message_start","message":%b}\n\n'
_BLOCK_START: Final = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":%b}\n\n'
)
_BLOCK_DELTA: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b":'
)
_BLOCK_STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_END: Final = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":%b,"stop_sequence":%b,'
    b'"stop_details":%b},"usage":%b}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
)
_NO_ENDING: Final = (b"null", b"null", b"null")
_STOPPED: Final = (b'"end_turn"', b"null", b"null")
_AFTER_DELTA: Final = b"}}\n\n"
_THOUGHT: Final = b'{"type":"thinking","thinking":"","signature":""}'
_TEXT: Final = b'text_delta","text'
_THINKING: Final = b'thinking_delta","thinking'
_ARGUMENTS: Final = b'input_json_delta","partial_json'
_SIGNATURE: Final = b'signature_delta","signature'
_CITATION: Final = b'citations_delta","citation'

_encode: Final = msgspec.json.Encoder().encode

_OfBlock = Open | Delta | Close | Signed | Cited


class _LateThoughts:
    """Holds back thoughts without words that follow a text until something comes after them; at the end none does.

    Such a one is a signature that hangs on a last text, as Gemini has it, and Claude Code prints the last block only.
    """

    __slots__ = ("_follows_text", "_held", "_indices")

    def __init__(self) -> None:
        self._follows_text = False
        self._held: list[_OfBlock] = []
        self._indices: set[int] = set()

    def passed(self, index: int, event: _OfBlock) -> list[_OfBlock]:
        """What may be written now of an event of a block."""
        if isinstance(event, Open):
            is_late = self._follows_text and _is_wordless(event.block)
            if is_late:
                self._indices.add(index)
            else:
                self._follows_text = isinstance(event.block, Text)
        else:
            is_late = index in self._indices and not isinstance(event, Delta)
        self._held.append(event)
        if is_late:
            return []
        passed, self._held = self._held, []
        self._indices.clear()
        return passed


class MessagesWriter:
    """Writes one answer, its blocks one after the other; what comes of a later one is held until it may open."""

    __slots__ = (
        "_asked",
        "_begin",
        "_delta",
        "_held",
        "_index",
        "_is_signed",
        "_late",
        "_open",
        "_origin",
        "_refusal",
        "_signature",
        "_skipped",
        "_usage",
    )

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._begin: Begin | None = None  # not written yet
        self._usage = Usage()
        self._open = -1  # the index of the open block in our events
        self._index = 0  # of the next block on the wire
        self._delta = b""  # how a delta of the open block begins
        self._is_signed = False  # whether the open block ends with a signature
        self._origin = ""
        self._signature: list[str] = []
        self._held: dict[int, list[Event]] = {}
        self._late = _LateThoughts()
        self._skipped: set[int] = set()
        self._refusal: dict[int, str] = {}  # told with the end, by block

    def write(self, events: Iterable[Event]) -> bytes:
        """See `AnswerWriter.write`."""
        out: list[bytes] = []
        for event in events:
            if type(event) is Delta and event.index == self._open:
                out.append(self._delta + _encode(event.text) + _AFTER_DELTA)
            else:
                self._take(event, out)
        self._write_begin(out)
        return b"".join(out)

    def whole(self, answer: Answer) -> bytes:
        """See `AnswerWriter.whole`."""
        content, refusal = _content(answer.blocks)
        ending = _ending(answer.reason, answer.stop_sequence, refusal)
        return self._message(answer, content, ending, answer.usage)

    def _message(self, told: Begin | Answer, content: bytes, ending: tuple[bytes, bytes, bytes], usage: Usage) -> bytes:
        id = told.id or f"msg_{self._asked.id}"
        model = told.model or self._asked.model
        return _MESSAGE % (_encode(id), _encode(model), content, *ending, written_usage(usage))

    def _take(self, event: Event, out: list[bytes]) -> None:
        match event:
            case Spent(usage):
                self._usage = usage
            case Begin():
                self._begin = event
            case End():
                self._write_end(event, out)
            case Open(index) | Delta(index) | Close(index) | Signed(index) | Cited(index):
                self._write_begin(out)
                self._take_in_turn(index, event, out)

    def _write_begin(self, out: list[bytes]) -> None:
        """Waits for what came with it, so that the first event may know the input's tokens."""
        if self._begin is not None:
            out.append(_MESSAGE_START % self._message(self._begin, b"[]", _NO_ENDING, self._usage))
            self._begin = None

    def _write_end(self, end: End, out: list[bytes]) -> None:
        self._write_begin(out)
        while self._open >= 0 or self._held:
            if self._open >= 0:
                self._close(out)
            self._go_on(out)
        ending = _ending(end.reason, end.stop_sequence, "".join(self._refusal.values()))
        out.append(_END % (*ending, written_usage(self._usage)))

    # --- blocks

    def _take_in_turn(self, index: int, event: _OfBlock, out: list[bytes]) -> None:
        if index in self._skipped:
            if isinstance(event, Delta) and index in self._refusal:
                self._refusal[index] += event.text
        elif isinstance(event, Open) and not _is_known(event.block):
            self._skipped.add(index)
            if isinstance(event.block, Refused):
                self._refusal[index] = event.block.text
        else:
            for one in self._late.passed(index, event):
                self._take_known(one, out)

    def _take_known(self, event: _OfBlock, out: list[bytes]) -> None:
        if self._open >= 0 and event.index != self._open:
            self._held.setdefault(event.index, []).append(event)
        else:
            self._take_of_open(event, out)
            self._go_on(out)

    def _go_on(self, out: list[bytes]) -> None:
        """Writes what waited for the last block's end."""
        while self._open < 0 and self._held:
            for event in self._held.pop(next(iter(self._held))):
                self._take_of_open(event, out)

    def _take_of_open(self, event: Event, out: list[bytes]) -> None:
        match event:
            case Open(index, block):
                self._open_block(index, block, out)
            case Delta(_, text):
                out.append(self._delta + _encode(text) + _AFTER_DELTA)
            case Signed(_, signature):
                self._signature.append(signature)
            case Cited(_, citation):
                self._say(_CITATION, bytes(written_citation(citation)), out)
            case _:
                self._close(out)

    def _open_block(self, index: int, block: Block, out: list[bytes]) -> None:
        self._open = index
        self._is_signed = False
        match block:
            case Thinking(_, signature, origin, redacted):
                self._delta = _BLOCK_DELTA % (self._index, _THINKING)
                self._is_signed = not redacted
                self._origin = origin
                self._signature = [signature or ""]
            case ToolUse():
                self._delta = _BLOCK_DELTA % (self._index, _ARGUMENTS)
            case _:
                self._delta = _BLOCK_DELTA % (self._index, _TEXT)
        begun = _THOUGHT if self._is_signed else _written(block) or b"null"
        out.append(_BLOCK_START % (self._index, begun))

    def _say(self, kind: bytes, value: bytes, out: list[bytes]) -> None:
        out.append(_BLOCK_DELTA % (self._index, kind) + value + _AFTER_DELTA)

    def _close(self, out: list[bytes]) -> None:
        """Ends the open block."""
        # In one piece: the SDKs replace a signature by the next one.
        if self._is_signed and (slot := _slot("".join(self._signature), self._origin)):
            self._say(_SIGNATURE, _encode(slot), out)
        out.append(_BLOCK_STOP % self._index)
        self._open = -1
        self._index += 1


def _is_known(block: Block) -> bool:
    return isinstance(block, Text | Thinking | ToolUse) or (isinstance(block, Foreign) and block.origin == OWN)


def _is_wordless(block: Block) -> bool:
    return isinstance(block, Thinking) and not block.text and not block.redacted


def _without_late_thoughts(blocks: list[Block]) -> list[Block]:
    """See `_LateThoughts`."""
    end = len(blocks)
    while end and _is_wordless(blocks[end - 1]):
        end -= 1
    return blocks[:end] if end and isinstance(blocks[end - 1], Text) else blocks


def _slot(signature: str, origin: str) -> str:
    """What the slot holds; where others signed nothing, whose thoughts these are."""
    return signature if origin == OWN else wrap(signature, origin)


def _content(blocks: tuple[Block, ...]) -> tuple[bytes, str]:
    """The blocks of a whole answer, most of which are one plain text, and the words of a refusal."""
    only = blocks[0] if len(blocks) == 1 else None
    if isinstance(only, Text) and not only.citations:
        return b'[{"type":"text","text":%b}]' % _encode(only.text), ""
    kept = _without_late_thoughts([block for block in blocks if _is_known(block)])
    content = [written for block in kept if (written := _written(block)) is not None]
    return b"[%b]" % b",".join(content), "".join(block.text for block in blocks if isinstance(block, Refused))


def _ending(reason: Reason, sequence: str | None, refusal: str) -> tuple[bytes, bytes, bytes]:
    """Why an answer ended: the word, the sequence that ended it, and the words of a refusal."""
    if reason is _STOP and sequence is None and not refusal:
        return _STOPPED
    word = "refusal" if refusal and reason is _STOP else _REASONS[reason]
    details = {"type": "refusal", "category": None, "explanation": refusal} if refusal else None
    return _encode(word), _encode(sequence), _encode(details)


def _written(block: Block) -> bytes | None:
    """A block with all it holds so far; None for one that this format has no form for."""
    match block:
        case Text(text, _, citations):
            told: dict[str, object] = {"type": "text", "text": text}
            if citations:
                told["citations"] = [written_citation(citation) for citation in citations]
            return _encode(told)
        case Thinking(text, signature, origin, redacted):
            slot = _slot(signature or "", origin)
            if redacted:
                return _encode({"type": "redacted_thinking", "data": slot})
            return _encode({"type": "thinking", "thinking": text, "signature": slot})
        case ToolUse(id, name, arguments):
            call: dict[str, object] = {"type": "tool_use", "id": id, "name": name}
            return _encode(call | {"input": written_arguments(arguments)})
        case Foreign(origin, _, raw) if origin == OWN:
            return bytes(raw)
        case _:
            return None
