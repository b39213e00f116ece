"""Where passages of an answer come from, as Gemini tells it: sources, and places in the text counted in bytes.

https://ai.google.dev/api/generate-content#GroundingMetadata and #CitationMetadata
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from unigate.conversation import Citation, Logprob
from unigate.dialects.gemini_generate.chunks import Candidate
from unigate.dialects.gemini_generate.shapes import given

__all__ = ["Places", "citations_of", "grounding_metadata", "logprobs_of", "logprobs_result"]


class _Source(msgspec.Struct, frozen=True, rename="camel"):
    uri: str | None = None
    title: str | None = None
    page_number: int | None = None


class _GroundingChunk(msgspec.Struct, frozen=True, rename="camel"):
    web: _Source | None = None
    retrieved_context: _Source | None = None
    maps: _Source | None = None


class _Segment(msgspec.Struct, frozen=True, rename="camel"):
    start_index: int = 0
    end_index: int | None = None
    text: str | None = None


class _Support(msgspec.Struct, frozen=True, rename="camel"):
    segment: _Segment | None = None
    grounding_chunk_indices: tuple[int, ...] | None = None


class _Grounding(msgspec.Struct, frozen=True, rename="camel"):
    grounding_chunks: tuple[_GroundingChunk, ...] | None = None
    grounding_supports: tuple[_Support, ...] | None = None


class _Recited(msgspec.Struct, frozen=True, rename="camel"):
    start_index: int = 0
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class _Recitations(msgspec.Struct, frozen=True, rename="camel"):
    """The Gemini API and Vertex AI call the list by different names."""

    citation_sources: tuple[_Recited, ...] | None = None
    citations: tuple[_Recited, ...] | None = None


class _Token(msgspec.Struct, frozen=True, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class _Top(msgspec.Struct, frozen=True):
    candidates: tuple[_Token, ...] | None = None


class _Logprobs(msgspec.Struct, frozen=True, rename="camel"):
    chosen_candidates: tuple[_Token, ...] | None = None
    top_candidates: tuple[_Top, ...] | None = None


_grounding = msgspec.json.Decoder(_Grounding)
_recitations = msgspec.json.Decoder(_Recitations)
_logprobs = msgspec.json.Decoder(_Logprobs)
_encode = msgspec.json.Encoder().encode

# Characters of one, two, three and four bytes in UTF-8 (RFC 3629, section 3).
_RUNS = re.compile("[\0-\x7f]+|[\x80-\u07ff]+|[\u0800-\uffff]+|[\U00010000-\U0010ffff]+")


# --- read


class Places:
    """Knows which character of a text stands at which byte of it, without keeping the text."""

    __slots__ = ("_bytes", "_characters", "_runs")

    def __init__(self) -> None:
        self._bytes = 0
        self._characters = 0
        # Of each run of characters of one width: its first byte, its first character, the width.
        self._runs = array("Q")

    def add(self, text: str) -> None:
        """The text goes on."""
        if not self._runs and text.isascii():
            self._bytes += len(text)
            self._characters += len(text)
            return
        for run in _RUNS.findall(text):
            width = len(run[0].encode("utf-8", "surrogatepass"))
            if not self._runs or self._runs[-1] != width:
                self._runs.extend((self._bytes, self._characters, width))
            self._bytes += width * len(run)
            self._characters += len(run)

    def character(self, byte: int) -> int:
        """The character that a byte belongs to."""
        runs = self._runs
        number = bisect_right(range(0, len(runs), 3), byte, key=lambda at: runs[at]) * 3 - 3
        if number < 0:
            return min(byte, self._characters)
        return min(runs[number + 1] + (byte - runs[number]) // runs[number + 2], self._characters)


def citations_of(candidate: Candidate, said: Places) -> list[Citation]:
    """What a candidate tells of its sources; `said` is the text that the places count in."""
    found: list[Citation] = []
    if given(candidate.grounding_metadata):
        grounding = _grounding.decode(candidate.grounding_metadata)
        sources = grounding.grounding_chunks or ()
        for support in grounding.grounding_supports or ():
            segment = support.segment or _Segment()
            start, end = _characters(said, segment.start_index, segment.end_index)
            for number in support.grounding_chunk_indices or ():
                if number < len(sources):
                    url, title, page = _source(sources[number])
                    found.append(Citation(url, title, segment.text, start, end, None, page))
    if given(candidate.citation_metadata):
        recitations = _recitations.decode(candidate.citation_metadata)
        for one in recitations.citation_sources or recitations.citations or ():
            start, end = _characters(said, one.start_index, one.end_index)
            found.append(Citation(one.uri, one.title, None, start, end))
    return found


def _source(chunk: _GroundingChunk) -> tuple[str | None, str | None, int | None]:
    source = chunk.web or chunk.retrieved_context or chunk.maps or _Source()
    return source.uri, source.title, source.page_number


def _characters(said: Places, start: int, end: int | None) -> tuple[int | None, int | None]:
    """Places counted in bytes as places counted in characters."""
    return (None, None) if end is None else (said.character(start), said.character(end))


def logprobs_of(candidate: Candidate) -> tuple[Logprob, ...]:
    """The tokens that a candidate tells the probabilities of."""
    if not given(candidate.logprobs_result):
        return ()
    result = _logprobs.decode(candidate.logprobs_result)
    others = result.top_candidates or ()
    return tuple(
        Logprob(
            one.token,
            one.log_probability,
            tuple((other.token, other.log_probability) for other in others[place].candidates or ())
            if place < len(others)
            else (),
        )
        for place, one in enumerate(result.chosen_candidates or ())
    )


# --- written


def grounding_metadata(citations: Iterable[tuple[int, Citation]], *, is_ascii: bool) -> bytes:
    """Citations, each with the place at which its text begins in the answer, as grounding metadata.

    The places of other text than ASCII are left out: they would have to be counted in bytes.
    """
    sources: dict[tuple[str | None, str | None], int] = {}
    supports: list[Mapping[str, object]] = []
    for offset, citation in citations:
        number = sources.setdefault((citation.url, citation.title), len(sources))
        segment: dict[str, object] = {}
        if is_ascii and citation.start is not None and citation.end is not None:
            segment = {"startIndex": offset + citation.start, "endIndex": offset + citation.end}
        if citation.quote is not None:
            segment["text"] = citation.quote
        supports.append({"segment": segment, "groundingChunkIndices": [number]})
    chunks = [_chunk(url, title) for url, title in sources]
    return _encode({"groundingChunks": chunks, "groundingSupports": supports})


def _chunk(url: str | None, title: str | None) -> Mapping[str, object]:
    told = {name: value for name, value in (("uri", url), ("title", title)) if value is not None}
    return {"retrievedContext" if url is None else "web": told}


def logprobs_result(logprobs: Sequence[Logprob]) -> bytes:
    """Tokens and their probabilities as a candidate tells them."""
    chosen = [{"token": one.token, "logProbability": one.logprob} for one in logprobs]
    top = [
        {"candidates": [{"token": token, "logProbability": logprob} for token, logprob in one.others]}
        for one in logprobs
    ]
    return _encode({"chosenCandidates": chosen, "topCandidates": top})
