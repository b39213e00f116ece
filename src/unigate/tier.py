"""Tiers of service by one name each: which a request asks for, and which an answer says it was served in.

OpenAI's `service_tier`, Gemini's and Bedrock's `serviceTier`, Bedrock's `performanceConfig`, Anthropic's `speed` and
`inference_geo`. Who asks for two at once asks for both names: `fast+us`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

__all__ = ["ANY", "ORDINARY", "SERVICES", "asked_tier", "is_tier", "tier_named", "told_tier", "united"]

ORDINARY: Final = ""
"""The tier of a call that asks for nothing."""
ANY: Final = "auto"
"""What the account is set to, which only the answer tells."""
SERVICES: Final = frozenset({"service_tier", "serviceTier", "speed", "inference_geo", "performanceConfig"})
"""The fields of a request that ask for a tier."""

_OTHER: Final = "other"  # stands for what is no name
_SAME: Final[Mapping[str, str]] = dict.fromkeys(
    ("", "default", "standard", "standard_only", "on_demand", "global", "not_available"), ORDINARY
)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,30}")
_SILENT: Final = frozenset({b"null", b'"auto"', b'"unspecified"', b'""'})
_PLAIN: Final = frozenset({b'"default"', b'"standard"', b'"on_demand"', b'"global"', b'"not_available"'})
_NOTHING: Final = frozenset({b"null", b"[]", b"{}", b'""', b"false"})
_value: Final = msgspec.json.Decoder(str | dict[str, str])
_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def asked_tier(body: Mapping[str, msgspec.Raw], unsent: Collection[str] = ()) -> str:
    """The tier that a request asks for; what it says in fields that were not sent on is not asked."""
    if SERVICES.isdisjoint(body):
        return ORDINARY
    return united(_tier_in(bytes(body[name])) for name in SERVICES.intersection(body) if name not in unsent)


def told_tier(raw: msgspec.Raw) -> str | None:
    """The tier that a part of an answer names; None if it names none."""
    content = bytes(raw)
    if content in _PLAIN:  # as nearly all do
        return ORDINARY
    return None if content in _SILENT else _tier_in(content)


def united(names: Iterable[str]) -> str:
    """The one name for several tiers at once."""
    found = {name for name in names if name}
    return "+".join(sorted(found - {ANY} or found))


def is_tier(word: str) -> bool:
    """Whether this is a name that a tier other than the ordinary one can have."""
    return tier_named(word) not in (ORDINARY, ANY, _OTHER)


def tier_named(word: str) -> str:
    """A tier by the word that a provider has for it."""
    name = word.lower()
    if (same := _SAME.get(name)) is not None:
        return same
    return name if _NAME.fullmatch(name) else _OTHER


def _tier_in(content: bytes) -> str:
    if content.strip() in _NOTHING:
        return ORDINARY
    try:
        value = _value.decode(content)
    except _FAILURES:
        return _OTHER
    return tier_named(value) if isinstance(value, str) else united(map(tier_named, value.values()))
