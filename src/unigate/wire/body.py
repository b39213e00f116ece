"""A JSON request body as its top level only: every value stays the bytes it came as.

Duplicate top-level keys: the last one wins, and only that one is judged and sent, because what goes out is re-encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from unigate.errors import Refusal

__all__ = ["Body", "decode_body", "encode_body", "few_quotes", "flag_of", "text_of"]

Body = dict[str, msgspec.Raw]

_decoder: Final = msgspec.json.Decoder(Body)
_text: Final = msgspec.json.Decoder(str | None)
_encoder: Final = msgspec.json.Encoder()

_QUOTE: Final = b'"'
_BACKSLASH: Final = b"\\"
_LARGE: Final = 32 * 1024
_LONG: Final = 4096
# Looking at quotes one by one pays where they stand this far apart.
_APART: Final = 1024
_FIRST: Final = 32
_GAP: Final = b"\x7fgap\x7f"  # and its number
_MOST_GAPS: Final = 10_000
# What people leave raw in strings by mistake; any other control character in a gap is the upstream's to refuse.
_RAW: Final = (b"\n", b"\r", b"\t", b"\0")


def decode_body(content: bytes) -> Body:
    """The top level of a JSON object. Raises Refusal (400) for anything else, and for one nested too deeply."""
    try:
        body = _decode_gaps(content)
        return _decoder.decode(content) if body is None else body
    except RecursionError as error:
        raise Refusal(400, "json_too_deep", "The request body is nested too deeply; flatten it.") from error
    except msgspec.ValidationError as error:
        raise Refusal(400, "invalid_json", 'The request body must be a JSON object, such as {"model": …}.') from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "invalid_json", f"The request body is not valid JSON: {error}.") from error


def few_quotes(content: bytes) -> list[int] | None:
    """Where the quotes of a large text stand, if so few that looking at each of them is the fastest way through."""
    if len(content) < _LARGE:
        return None
    places: list[int] = []
    at = content.find(_QUOTE)
    while at >= 0:
        places.append(at)
        if len(places) > _FIRST and at < len(places) * _APART:
            return None
        at = content.find(_QUOTE, at + 1)
    return places


def _decode_gaps(content: bytes) -> Body | None:
    """The top level of an object with long plain strings in it: they are stepped over, and all the rest is judged.

    None if there are none, or if something is wrong, which the decoder tells best of the object as it is.
    """
    gaps = _gaps(content)
    if not gaps:
        return None
    parts = [content[: gaps[0][0]]]
    for number, (_, end) in enumerate(gaps):
        parts.append(b"%b%04d" % (_GAP, number))
        parts.append(content[end : gaps[number + 1][0] if number + 1 < len(gaps) else len(content)])
    rest = b"".join(parts)
    if rest.count(_GAP) != len(gaps):
        return None
    try:
        body = _decoder.decode(rest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _with_gaps(body, content, gaps)


def _with_gaps(body: Body, content: bytes, gaps: list[tuple[int, int]]) -> Body | None:
    """The object with its strings in their places; None if one was not in a value that counts."""
    whole = memoryview(content)
    found = 0
    for name, raw in body.items():
        first, *others = bytes(raw).split(_GAP)
        if others:
            number = int(others[0][:4])
            start = gaps[number][0] - len(first)
            end = gaps[number + len(others) - 1][1] + len(others[-1]) - 4
            body[name] = msgspec.Raw(whole[start:end])
            found += len(others)
    return body if found == len(gaps) else None


def _gaps(content: bytes) -> list[tuple[int, int]]:
    """Where the words of each long string begin and end that says nothing but itself."""
    gaps: list[tuple[int, int]] = []
    start = last = 0
    for at in few_quotes(content) or ():
        if not start:
            start = at + 1
        elif content[at - 1] != _BACKSLASH[0] or not _is_escaped(content[last + 1 : at]):
            if at - start >= _LONG and content.find(_BACKSLASH, start, at) < 0 and not _has_raw(content, start, at):
                gaps.append((start, at))
            start = 0
        last = at
    return gaps if len(gaps) < _MOST_GAPS else []


def _is_escaped(before: bytes) -> bool:
    """Whether what stands between a quote and the next one makes the next one a part of the string."""
    return (len(before) - len(before.rstrip(_BACKSLASH))) % 2 == 1


def _has_raw(content: bytes, start: int, end: int) -> bool:
    return any(content.find(one, start, end) >= 0 for one in _RAW)


def encode_body(body: Mapping[str, msgspec.Raw]) -> bytes:
    """The bytes of an object whose values are already bytes."""
    return _encoder.encode(body)


def text_of(body: Body, name: str) -> str | None:
    """One top-level string, or None if absent or null. Raises Refusal (400) naming the parameter."""
    raw = body.get(name)
    if raw is None:
        return None
    try:
        return _text.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "invalid_type", f"'{name}' must be a string.", param=name) from error


def flag_of(body: Body, name: str, default: bool = False) -> bool:
    """One top-level flag; absent or null is the default. Raises Refusal (400) naming the parameter."""
    raw = body.get(name)
    if raw is None:
        return default
    word = bytes(raw)
    if word == b"true":
        return True
    if word == b"false":
        return False
    if word == b"null":
        return default
    raise Refusal(400, "invalid_type", f"'{name}' must be true or false.", param=name)
