"""Looks at parsed JSON without surprise, and turns what must not be copied into hashes.

Every hash is the SHA-256, in hex, of UTF-8 text. A JSON value is hashed in its canonical form: keys sorted, no white
space, nothing escaped that need not be, a whole number written without a fraction (1.0 and 1 are the same argument).
"""

from __future__ import annotations

import hashlib
import json

from recordings.replay import Json, Object

__all__ = ["arr", "canonical", "count", "joined", "json_sha", "obj", "objs", "parsed", "sha", "text", "text_fact"]


def obj(value: Json) -> Object:
    """The object, or an empty one for anything else: providers send null where an object is expected."""
    return value if isinstance(value, dict) else {}


def arr(value: Json) -> list[Json]:
    """The list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def objs(value: Json) -> list[Object]:
    """The objects of a list, or none for anything else."""
    return [element for element in arr(value) if isinstance(element, dict)]


def text(value: Json) -> str:
    """The string, or "" for anything else."""
    return value if isinstance(value, str) else ""


def count(value: Json) -> int | None:
    """The whole number, or None where none was told."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value)


def joined(value: Json) -> str:
    """The text of a string or of a list of blocks that have a `text`, without a separator."""
    if isinstance(value, str):
        return value
    return "".join(element if isinstance(element, str) else text(obj(element).get("text")) for element in arr(value))


def parsed(source: str) -> tuple[bool, Json]:
    """Whether this is JSON, and the value it holds."""
    try:
        value: Json = json.loads(source)
    except ValueError:
        return False, None
    return True, value


def sha(source: str | bytes) -> str:
    """The hash of a text or of bytes."""
    return hashlib.sha256(source.encode() if isinstance(source, str) else source).hexdigest()


def canonical(value: Json) -> str:
    """The one way to write this JSON value."""
    return json.dumps(_whole(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def json_sha(value: Json) -> str:
    """The hash of a JSON value's canonical form."""
    return sha(canonical(value))


def text_fact(source: str) -> Object | None:
    """What may be told of a text: its hash and its length in characters; None if there is no text."""
    return {"sha256": sha(source), "length": len(source)} if source else None


def _whole(value: Json) -> Json:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(element) for element in value]
    if isinstance(value, dict):
        return {key: _whole(element) for key, element in value.items()}
    return value
