"""Between an answer told event by event and the same answer whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from unigate.conversation import (
    Answer,
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
    Refused,
    Signed,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.usage import Usage

__all__ = ["Collector", "completed", "events_of"]


class _Growing:
    """A block whose parts are still arriving."""

    __slots__ = ("block", "citations", "logprobs", "signature", "texts")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.texts: list[str] = []
        self.signature: list[str] = []
        self.citations: list[Citation] = []
        self.logprobs: list[Logprob] = []


class Collector:
    """Takes events as they come and gives the whole answer once it has ended."""

    __slots__ = ("_begin", "_blocks", "_end", "_usage")

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._begin = Begin("", "")
        self._end: End | None = None
        self._usage = Usage()
        self._blocks: dict[int, _Growing] = {}
        self.take(events)

    def take(self, events: Iterable[Event]) -> None:
        """Adds events in the order they were told."""
        for event in events:
            match event:
                case Delta(index, text, logprobs):
                    growing = self._blocks[index]
                    growing.texts.append(text)
                    growing.logprobs.extend(logprobs)
                case Open(index, block):
                    self._blocks[index] = _Growing(block)
                case Signed(index, signature):
                    self._blocks[index].signature.append(signature)
                case Cited(index, citation):
                    self._blocks[index].citations.append(citation)
                case Begin():
                    self._begin = event
                case Spent(usage):
                    self._usage = usage
                case End():
                    self._end = event
                case Close():
                    pass

    def blocks(self) -> tuple[Block, ...]:
        """The blocks so far, in the order they were opened."""
        return tuple(
            completed(one.block, "".join(one.texts), "".join(one.signature), one.citations, one.logprobs)
            for one in self._blocks.values()
        )

    def answer(self) -> Answer:
        """The whole answer; only after its end."""
        begin, end = self._begin, self._end
        assert end is not None, "a reader ends every answer, or raises"
        return Answer(begin.id, begin.model, self.blocks(), end.reason, end.stop_sequence, self._usage)


def completed(
    block: Block, text: str, signature: str = "", citations: Sequence[Citation] = (), logprobs: Sequence[Logprob] = ()
) -> Block:
    """An opened block with everything that followed."""
    match block:
        case Text(begun, cache, (), ()) if not (citations or logprobs):
            return Text(begun + text, cache)
        case Text():
            return Text(block.text + text, block.cache, (*block.citations, *citations), (*block.logprobs, *logprobs))
        case Thinking():
            signed = (block.signature or "") + signature or None
            return msgspec.structs.replace(block, text=block.text + text, signature=signed)
        case ToolUse():
            return msgspec.structs.replace(block, arguments=block.arguments + text)
        case Refused():
            return Refused(block.text + text)
        case _:
            return block


def events_of(answer: Answer) -> Iterator[Event]:
    """The events of a whole answer, each block in one piece."""
    yield Begin(answer.id, answer.model)
    for index, block in enumerate(answer.blocks):
        yield from _block_events(index, block)
    yield Spent(answer.usage)
    yield End(answer.reason, answer.stop_sequence)


def _block_events(index: int, block: Block) -> Iterator[Event]:
    match block:
        case Text(text, cache):
            yield Open(index, Text("", cache))
            if text:
                yield Delta(index, text, block.logprobs)
            yield from (Cited(index, citation) for citation in block.citations)
        case Thinking(redacted=False):
            yield Open(index, msgspec.structs.replace(block, text="", signature=None))
            if block.text:
                yield Delta(index, block.text)
            if block.signature:
                yield Signed(index, block.signature)
        case ToolUse():
            yield Open(index, msgspec.structs.replace(block, arguments=""))
            if block.arguments:
                yield Delta(index, block.arguments)
        case Refused(text):
            yield Open(index, Refused(""))
            yield Delta(index, text)
        case _:
            yield Open(index, block)
    yield Close(index)
