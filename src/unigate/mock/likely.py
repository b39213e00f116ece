"""How likely each word was, made up but always the same: the probabilities a request may ask for."""

from __future__ import annotations

from zlib import crc32

from unigate.mock.words import pieces

__all__ = ["entries", "logprob"]

Json = dict[str, object]


def logprob(word: str) -> float:
    """The logarithm of the word's probability."""
    return -(crc32(word.encode("utf-8", "replace")) % 1000) / 1000


def _entry(word: str) -> Json:
    return {"token": word, "logprob": logprob(word), "bytes": list(word.encode("utf-8", "replace"))}


def entries(text: str, alternatives: int) -> list[Json]:
    """OpenAI's entries for each word: itself and so many alternatives, the word among them."""
    return [_entry(word) | {"top_logprobs": _ranked(word, alternatives)} for word in pieces(text)]


def _ranked(word: str, alternatives: int) -> list[Json]:
    told = [_entry(f"{word}{n}" if n else word) for n in range(alternatives)]
    return [entry | {"logprob": logprob(word) - n} for n, entry in enumerate(told)]
