"""Text as the scripted upstream counts it: words, pieces and tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from operator import methodcaller

__all__ = ["count", "filler", "pieces", "size", "tokens_of"]

TEXT = """Hello! This is the scripted upstream: calm, exact and always of the same opinion.
It counts every word it says and never changes its mind."""
SENTENCE = tuple(TEXT.split())

# A Chinese, Japanese or Korean character stands alone; anything else without a space in it is one word.
ALONE = "\u3000-\u303f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef"
WORD = re.compile(f"[{ALONE}]|[^\\s{ALONE}]+")
PIECE = re.compile(f"\\s*(?:[{ALONE}]|[^\\s{ALONE}]+)|\\s+$")
GROUP = methodcaller("group")


def filler(words: int) -> str:
    """An English text of exactly that many words."""
    rounds = -(-words // len(SENTENCE))
    return " ".join((SENTENCE * rounds)[:words])


def pieces(text: str) -> Iterator[str]:
    """The text cut before each word, as a stream hands it out."""
    return map(GROUP, PIECE.finditer(text))


def count(text: str) -> int:
    """How many words the text has: the scripted upstream's output tokens."""
    if text.isascii():
        return len(text.split())
    return len(WORD.findall(text))


def size(text: str) -> int:
    """How many bytes the text has as UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def tokens_of(texts: Iterable[str]) -> int:
    """The input tokens of these texts together: a quarter of their bytes, rounded up."""
    return -(-sum(map(size, texts)) // 4)
