"""Where a text holds secrets or personal data: places and their kind, each rule in time linear in the text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter

__all__ = ["Finder", "Place"]

Place = tuple[int, int, str]
"""From, to (exclusive), and the kind of what is there."""

# Possessive quantifiers (`++`) and a look-behind at each start: no text makes these rules look at a run twice.
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "private_key",
        re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,20000}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"),
    ),
    ("token", re.compile(r"(?i:\b(?:bearer|basic)) +([A-Za-z0-9._~+/=-]{8,})")),
    ("token", re.compile(r"(?<![A-Za-z0-9_-])(eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{4,}+(?:\.[A-Za-z0-9_-]*+)?)")),
    (
        # OpenAI and those like it, Google, AWS, GitHub, GitLab, Hugging Face, Groq, xAI, Replicate, Slack, Stripe, …
        "api_key",
        re.compile(
            r"(?<![A-Za-z0-9])("
            r"(?:sk|rk|pk|ak)-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|(?:AKIA|ASIA)[A-Z0-9]{16}"
            r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}"
            r"|gsk_[A-Za-z0-9]{16,}|xai-[A-Za-z0-9]{16,}|r8_[A-Za-z0-9]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}"
            r"|(?:sk|rk|pk|whsec)_[A-Za-z0-9_]{16,}|pplx-[A-Za-z0-9]{16,}|nvapi-[A-Za-z0-9_-]{16,}"
            r"|tvly-[A-Za-z0-9-]{16,}|npm_[A-Za-z0-9]{16,}|pypi-[A-Za-z0-9_-]{16,}|ya29\.[A-Za-z0-9_-]{16,}"
            r")"
        ),
    ),
    (
        "secret",
        re.compile(
            r"(?i:(?:password|passwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token))"
            r"[\"']? ?[=:] ?[\"']?([^\s\"',;&]{6,200})"
        ),
    ),
    ("email", re.compile(r"(?<![\w.%+-])([\w.%+-]++@[\w-]++(?:\.[\w-]++)+)")),
    ("phone", re.compile(r"(?<![\w+])(\+\d(?:[ ().-]{0,2}\d){7,14})(?!\d)")),
    ("phone", re.compile(r"(?<![\w.+-])((?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4})(?![\w-])")),
    ("phone", re.compile(r"(?<![\w.+-])(1[3-9]\d[ -]?\d{4}[ -]?\d{4})(?![\w-])")),
    ("phone", re.compile(r"(?<![\w.+-])(0\d{1,5}[ /-]\d{3,8}(?:[ -]\d{2,5}){0,3})(?![\w-])")),
)
# Groups of three digits or more, as cards are printed; one digit at a time could be anything.
_DIGITS = re.compile(r"(?<![\w.])\d{3,}+(?:[ -]\d{3,}+)*+(?!\w)")
_GROUP = re.compile(r"\d+")
_WORDS = (re.compile(r"[A-Za-z0-9_-]{16,256}"), re.compile(r"[^\s\"',;<>(){}\[\]]{16,256}"))
_SHORTEST_SECRET = 8
_CARD_LENGTHS = range(13, 20)


class Finder:
    """Finds what must not be kept: forms that anyone knows, and the live keys of this gateway."""

    def __init__(self, live: Iterable[str], is_key: Callable[[bytes], bool]) -> None:
        """`live`: providers' keys as they are; `is_key`: whether a SHA-256 is that of a client's key."""
        words = sorted({one for one in live if len(one) >= _SHORTEST_SECRET}, key=len, reverse=True)
        self._live = re.compile("|".join(map(re.escape, words))) if words else None
        self._is_key = is_key

    def places(self, text: str) -> list[Place]:
        """Everything that was found, in order, none over another."""
        return _apart(self._all(text))

    def _all(self, text: str) -> Iterator[Place]:
        if self._live is not None:
            for found in self._live.finditer(text):
                yield found.start(), found.end(), "key"
        for words in _WORDS:
            for found in words.finditer(text):
                if self._is_key(hashlib.sha256(found[0].encode("utf-8", "surrogatepass")).digest()):
                    yield found.start(), found.end(), "key"
        for kind, rule in _RULES:
            group = 1 if rule.groups else 0
            for found in rule.finditer(text):
                yield found.start(group), found.end(group), kind
        for run in _DIGITS.finditer(text):
            yield from _cards(text, run.start(), run.end())


def _cards(text: str, start: int, end: int) -> Iterator[Place]:
    """Card numbers (ISO/IEC 7812: 13 to 19 digits, Luhn's check digit) that begin and end with a group of digits."""
    groups = [group.span() for group in _GROUP.finditer(text, start, end)]
    after = 0
    for number, (first, _) in enumerate(groups):
        if number < after:
            continue
        digits = ""
        for last, (begin, stop) in enumerate(groups[number : number + 19], number):
            digits += text[begin:stop]
            if len(digits) > _CARD_LENGTHS[-1]:
                break
            if len(digits) in _CARD_LENGTHS and _passes_luhn(digits):
                yield first, stop, "card"
                after = last + 1
                break


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _apart(places: Iterable[Place]) -> list[Place]:
    """The same, in order; of those that overlap the first rule's remains, as long as both together."""
    apart: list[Place] = []
    for start, end, kind in sorted(places, key=itemgetter(0)):
        if apart and start < apart[-1][1]:
            before = apart[-1]
            apart[-1] = (before[0], max(before[1], end), before[2])
        else:
            apart.append((start, end, kind))
    return apart
