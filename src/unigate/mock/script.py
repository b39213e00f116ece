"""The scripted upstream's language: what a model's name asks of one call."""

from __future__ import annotations

from typing import Literal
from urllib.parse import unquote

import msgspec

__all__ = ["MARK", "BadScript", "Point", "Script", "parse"]

MARK = "script:"

Where = Literal["head", "status", "events", "mid", "end", "pings"]
Encoding = Literal[
    "gzip", "deflate", "gzip_members", "gzip_cut", "gzip_bad", "gzip_label", "br_label", "zstd_label", "bomb"
]
Body = Literal["", "html", "empty", "null", "notjson", "array", "number", "string", "cut", "badutf8", "deep", "double"]
Lie = Literal["honest", "none", "zero", "negative", "huge", "string", "float", "null", "repeated", "always"]
Head = Literal["garbage", "http10", "http2", "nocolon", "fold", "nul", "both", "twolengths", "badlength", "nolength"]
Chars = Literal["wide", "escaped", "badutf8", "surrogate", "nul"]
Keep = Literal["close", "silent", "idle", "reset", "garbage"]


class BadScript(ValueError):
    """A model's name that begins like a script but is not one."""


class Point(msgspec.Struct, frozen=True):
    """A place in an answer: before its head, after K events, in the middle of event K, before its end."""

    where: Where
    at: int | None = None

    @property
    def after(self) -> int:
        """How many whole events go out first."""
        if self.where == "mid":
            return max(1, 1 if self.at is None else self.at) - 1
        return (0 if self.where == "pings" else 1) if self.at is None else self.at


class KeepAlive(msgspec.Struct, frozen=True):
    """What becomes of the connection after the answer, and how many milliseconds later."""

    how: Keep
    at: int = 0


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call's instructions; every field has the value of an ordinary, healthy answer."""

    tokens: int = 12
    text: str | msgspec.UnsetType = msgspec.UNSET
    echo: bool = False
    mirror: bool = False
    size: int = 0
    think: int = 0
    redacted: bool = False
    reasoning: int = 0
    cached: int = 0
    cachewrite: int = 0
    cite: int = 0
    interleave: bool = False
    finish: str | None = None
    refusal: bool = False
    chars: Chars | None = None
    tool: str | None = None
    tools: int = 0
    badargs: bool = False

    latency: int = 0
    pace: int = 0
    status: int = 0
    error: str | None = None
    message: str | None = None
    retry_after: str | None = None
    headers: str | None = None
    type: str | None = None
    body: Body = ""
    echo_key: bool = False
    redirect: str | None = None
    inband: int | None = None
    interim: int = 0
    head: Head | None = None
    bighead: int = 0

    usage: Lie = "honest"
    nodone: bool = False
    nofinish: bool = False
    noid: bool = False
    emptyfirst: bool = False
    repeatrole: bool = False
    twice: bool = False
    afterdone: bool = False

    stall: Point | None = None
    cut: Point | None = None
    reset: Point | None = None
    short: int = 0
    long: int = 0
    badchunk: bool = False
    badcrc: bool = False
    close: bool = False
    trailers: bool = False
    split: int = 0
    merge: bool = False
    crlf: bool = False
    cr: bool = False
    comments: bool = False
    bom: bool = False
    nospace: bool = False
    multiline: bool = False
    notail: bool = False
    bigevent: int = 0
    encoding: Encoding | None = None
    bomb: int = 64_000_000
    keepalive: KeepAlive | None = None

    polls: int = 1
    first: int = 0
    every: int = 0


POINTS = {"stall": "where", "cut": "where", "reset": "where", "keepalive": "how"}
BARE = {
    "cite": "1",
    "inband": "1",
    "bighead": "65536",
    "bigevent": "1000000",
    "interim": "1",
    "size": "65536",
    "tools": "2",
}
ENCODINGS = frozenset(Encoding.__args__)


def parse(model: str) -> Script:
    """The script in a model's name; a name without one is the ordinary answer."""
    _, mark, rest = model.partition(MARK)
    if not mark:
        return Script()
    told: dict[str, object] = {}
    for word in filter(None, rest.split(",")):
        key, equals, raw = word.strip().partition("=")
        told.update(_setting(key, unquote(raw) if equals else None))
    try:
        return msgspec.convert(told, Script, strict=False)
    except msgspec.ValidationError as error:
        raise BadScript(f"Script {model!r} is not understood: {error}.") from error


def _setting(key: str, value: str | None) -> dict[str, object]:
    if key in ENCODINGS:
        return {"encoding": key} if value is None else {"encoding": key, key: value}
    if key in POINTS:
        where, colon, at = (value or "").partition(":")
        return {key: {POINTS[key]: where, "at": at} if colon else {POINTS[key]: where}}
    return {key: BARE.get(key, "true") if value is None else value}
