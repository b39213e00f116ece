"""The parts of an answer, as they come, as the events of neutral blocks."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from unigate.conversation import (
    Asked,
    Block,
    Citation,
    Cited,
    Close,
    Delta,
    Event,
    Foreign,
    Logprob,
    Open,
    Signed,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.gemini_generate.chunks import Candidate, FunctionCall, Part, Parts
from unigate.dialects.gemini_generate.citations import Places, citations_of, logprobs_of
from unigate.dialects.gemini_generate.media import inline_medium, stored_medium
from unigate.dialects.gemini_generate.partial_args import PartialArgs
from unigate.dialects.gemini_generate.shapes import Blob, FileData, given
from unigate.dialects.gemini_generate.slots import ORIGIN

__all__ = ["Blocks"]

_encode: Final = msgspec.json.Encoder().encode

_Flow = Literal["text", "thinking"]


class Blocks:
    """The blocks of one answer. Text and thoughts take turns; all else comes whole."""

    __slots__ = ("_asked", "_cited", "_flow", "_index", "_partial", "_said", "_sources", "calls", "pieces")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._flow: _Flow | None = None
        self._index = 0  # of the next block
        self._said = Places()  # of the whole text, which citations count in
        self._sources: Candidate | None = None  # the candidate being read, if it tells any
        self._cited: set[Citation] = set()
        self._partial: PartialArgs | None = None  # of the call whose arguments come in pieces
        self.calls = 0
        self.pieces = 0

    def take(self, candidate: Candidate, found: list[Event]) -> None:
        """Adds the events of one chunk's candidate. Raises one of msgspec's errors for what is none."""
        content = candidate.content
        parts: Parts = (content.parts if content is not None else None) or ()
        logprobs = logprobs_of(candidate)
        is_cited = given(candidate.grounding_metadata) or given(candidate.citation_metadata)
        self._sources = candidate if is_cited else None
        for part in parts:
            if part.text is not None and not part.thought_signature and not part.thought:
                if part.text:
                    self._say(part.text, logprobs, found)
                    logprobs = ()
            else:
                self._part(part, logprobs, found)
        self._cite(found)

    def close(self, found: list[Event]) -> None:
        """Ends what is open."""
        self._end_call(found)
        self._end_flow(found)

    # --- text and thoughts

    def _say(self, text: str, logprobs: tuple[Logprob, ...], found: list[Event]) -> None:
        if self._flow != "text":
            self._begin_flow("text", Text(""), found)
        self.pieces += 1
        self._said.add(text)
        found.append(Delta(self._index - 1, text, logprobs))

    def _think(self, text: str, found: list[Event]) -> None:
        if self._flow != "thinking":
            self._begin_flow("thinking", Thinking("", origin=ORIGIN), found)
        if text:
            self.pieces += 1
            found.append(Delta(self._index - 1, text))

    def _begin_flow(self, flow: _Flow, block: Block, found: list[Event]) -> None:
        self._end_call(found)
        self._end_flow(found)
        self._flow = flow
        found.append(Open(self._index, block))
        self._index += 1

    def _end_flow(self, found: list[Event]) -> None:
        if self._flow is not None:
            self._cite(found)
            found.append(Close(self._index - 1))
            self._flow = None

    def _cite(self, found: list[Event]) -> None:
        """Cites what was said, before the text is closed."""
        if self._flow != "text" or self._sources is None:
            return
        for citation in citations_of(self._sources, self._said):
            # What a chunk tells may be told again by the next one.
            if citation not in self._cited:
                self._cited.add(citation)
                found.append(Cited(self._index - 1, citation))

    # --- parts

    def _part(self, part: Part, logprobs: tuple[Logprob, ...], found: list[Event]) -> None:
        signature = part.thought_signature
        if part.thought and part.text is not None:
            if part.text or signature:
                self._think(part.text, found)
            if signature:
                found.append(Signed(self._index - 1, signature))
                self._end_flow(found)
            return
        whole = self._whole(part)
        if signature and not isinstance(whole, Foreign):
            self._end_flow(found)
            self._think("", found)
            found.append(Signed(self._index - 1, signature))
            self._end_flow(found)
        if part.text:
            self._say(part.text, logprobs, found)
        elif part.function_call is not None:
            self._call(part.function_call, found)
        elif whole is not None:
            self._add(whole, found)

    def _whole(self, part: Part) -> Block | None:
        if part.inline_data is not None:
            return inline_medium(Blob(part.inline_data.data, part.inline_data.mime_type))
        if part.file_data is not None:
            return stored_medium(FileData(part.file_data.file_uri, part.file_data.mime_type))
        foreign = {
            "executableCode": part.executable_code,
            "codeExecutionResult": part.code_execution_result,
            "toolCall": part.tool_call,
            "toolResponse": part.tool_response,
            "functionResponse": part.function_response,
        }
        for kind, raw in foreign.items():
            if given(raw):
                slot = {"thoughtSignature": part.thought_signature} if part.thought_signature else {}
                return Foreign(ORIGIN, kind, msgspec.Raw(_encode({kind: raw, **slot})))
        return None

    def _add(self, block: Block, found: list[Event]) -> None:
        self._end_call(found)
        self._end_flow(found)
        self.pieces += 1
        found += (Open(self._index, block), Close(self._index))
        self._index += 1

    # --- calls

    def _call(self, call: FunctionCall, found: list[Event]) -> None:
        if not call.name:
            if self._partial is not None:
                self._partial.add(call.partial_args)
                if not call.will_continue:
                    self._end_call(found)
            return
        self._end_call(found)
        self._end_flow(found)
        self.calls += 1
        self.pieces += 1
        id = call.id or f"call_{self._asked.id[-12:]}{self._index}"
        found.append(Open(self._index, ToolUse(id, call.name, "")))
        self._index += 1
        if call.will_continue or call.partial_args:
            self._partial = PartialArgs()
            self._partial.add(call.partial_args)
        else:
            self._finish_call(_compact(call.args), found)

    def _end_call(self, found: list[Event]) -> None:
        if self._partial is not None:
            self._finish_call(self._partial.text(), found)
            self._partial = None

    def _finish_call(self, arguments: str, found: list[Event]) -> None:
        found += (Delta(self._index - 1, arguments), Close(self._index - 1))


def _compact(args: msgspec.Raw) -> str:
    """Arguments without the line breaks that some answers have between their fields."""
    return msgspec.json.format(bytes(args), indent=-1).decode("utf-8", "replace") if given(args) else "{}"
