"""JSON into strict structs: a field that no struct knows is set aside by name; what is wrong is told by its place."""

from __future__ import annotations

import re
from typing import Generic, TypeVar, overload

import msgspec

from unigate.errors import Refusal

__all__ = ["TypedDecoder"]

T = TypeVar("T")

_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`(?: - at `\$(.*)`)?", re.DOTALL)
_PLACE = re.compile(r"(?: - at `\$(.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]+|\.\.\.)\]")
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MOST_KINDS = 20

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])
_encode = msgspec.json.Encoder().encode

_Steps = tuple[str | int, ...]


class TypedDecoder(Generic[T]):
    """Decodes the field `name` of a request; the structs of `type` must forbid unknown fields."""

    __slots__ = ("_decoder", "_name")

    @overload
    def __init__(self, type: type[T], name: str) -> None: ...
    @overload
    def __init__(self, type: object, name: str) -> None: ...  # a union: its type is the variable's annotation
    def __init__(self, type: object, name: str) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(type)
        self._name = name

    def decode(self, raw: msgspec.Raw) -> tuple[T, tuple[str, ...]]:
        """The value, and the fields that were set aside, such as `messages[].weight`. Raises Refusal (400)."""
        try:
            return self._decoder.decode(raw), ()
        except _FAILURES:
            pass
        try:
            return self._decode_known(raw)
        except _FAILURES as error:
            raise self._refusal(error) from error

    def _decode_known(self, raw: msgspec.Raw) -> tuple[T, tuple[str, ...]]:
        unknown: dict[str, None] = {}
        content = bytes(raw)
        for _ in range(_MOST_KINDS):
            try:
                return self._decoder.decode(content), tuple(unknown)
            except msgspec.ValidationError as error:
                found = _UNKNOWN.fullmatch(str(error))
                if found is None:
                    raise self._refusal(error) from error
                steps = _steps(found.group(2) or "")
                unknown[self._said(steps, found.group(1))] = None
                content = _without(content, steps, found.group(1))
        raise Refusal(400, "invalid_type", f"'{self._name}' has too many unknown fields.", param=self._name)

    def _refusal(self, error: Exception) -> Refusal:
        text = str(error)
        place = _PLACE.search(text)
        where = self._name + (place.group(1) or "" if place else "")
        what = text[: place.start()] if place else text
        return Refusal(400, "invalid_type", f"'{where}' is wrong: {what[:300]}.", param=where[:200])

    def _said(self, steps: _Steps, name: str) -> str:
        inner = "".join("[]" if isinstance(step, int) else f".{step}" for step in steps)
        return f"{self._name}{inner}.{name}"[:200]


def _steps(path: str) -> _Steps:
    """`[0].content[1]` as (0, "content", 1); the values of a map are -1, since msgspec does not name them."""
    return tuple(name if name else (-1 if index == "..." else int(index)) for name, index in _STEP.findall(path))


def _without(content: bytes, steps: _Steps, name: str) -> bytes:
    """The JSON without one field, there and in every object of the same kind at the same depth of the same lists."""
    offender = content
    for step in steps:
        offender = _child(offender, step)
    return _pruned(content, steps, name, _kind(offender))


def _child(content: bytes, step: str | int) -> bytes:
    if isinstance(step, str):
        return bytes(_object.decode(content)[step])
    if step >= 0:
        return bytes(_array.decode(content)[step])
    return bytes(next(iter(_object.decode(content).values())))


def _kind(content: bytes) -> tuple[bytes, bytes]:
    """What tells a struct of a union from its siblings."""
    fields = _object.decode(content)
    return bytes(fields.get("type", b"")), bytes(fields.get("role", b""))


def _pruned(content: bytes, steps: _Steps, name: str, kind: tuple[bytes, bytes]) -> bytes:
    # A sibling may be of another type, such as one object where the offender is one of a list.
    start = b"[" if steps and isinstance(steps[0], int) and steps[0] >= 0 else b"{"
    if not content.lstrip().startswith(start):
        return content
    if not steps:
        fields = _object.decode(content)
        if (bytes(fields.get("type", b"")), bytes(fields.get("role", b""))) == kind:
            fields.pop(name, None)
        return _encode(fields)
    step, rest = steps[0], steps[1:]
    if isinstance(step, int) and step >= 0:
        return _encode([msgspec.Raw(_pruned(bytes(one), rest, name, kind)) for one in _array.decode(content)])
    fields = _object.decode(content)
    for key in fields if step == -1 else (step,):
        if key in fields:
            fields[str(key)] = msgspec.Raw(_pruned(bytes(fields[str(key)]), rest, name, kind))
    return _encode(fields)
