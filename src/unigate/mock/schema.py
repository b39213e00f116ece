"""A plausible value for a JSON Schema, taken where possible from what the user said."""

from __future__ import annotations

import re

import msgspec

__all__ = ["BadSchema", "Hints", "arguments"]

Value = object
DEPTH = 12

PLACES = re.compile(
    "北京|上海|广州|深圳|杭州|成都|武汉|西安|南京|重庆|天津|苏州|香港|台北|东京|巴黎|伦敦|纽约|柏林|首尔|新加坡"
)
CAPITALS = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w'’-]*(?:\s+[A-Z][\w'’-]*)*")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
SUM = re.compile(r"[\d(][\d\s.()+\-*/^%×÷]*[+\-*/^%×÷][\d\s.()+\-*/^%×÷]*[\d)]")
FORMATS = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "ada@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}
WHOLE = re.compile(r"query|question|prompt|text|content|message|input|search|topic", re.I)
FORMULA = re.compile(r"expression|formula|equation|calculation", re.I)


class BadSchema(ValueError):
    """A JSON Schema that cannot be read."""


class Schema(msgspec.Struct, frozen=True):
    """The part of a JSON Schema that decides a value's shape."""

    type: str | list[str] | None = None
    properties: dict[str, Schema | bool] = {}
    required: list[str] = []
    enum: list[Value] = []
    const: Value = msgspec.UNSET
    default: Value = msgspec.UNSET
    examples: list[Value] = []
    items: Schema | bool | None = None
    prefixItems: list[Schema | bool] = []
    anyOf: list[Schema | bool] = []
    oneOf: list[Schema | bool] = []
    allOf: list[Schema | bool] = []
    ref: str | None = msgspec.field(default=None, name="$ref")
    defs: dict[str, Schema | bool] = msgspec.field(default_factory=dict[str, "Schema | bool"], name="$defs")
    definitions: dict[str, Schema | bool] = {}
    format: str | None = None
    minItems: int | None = None
    minLength: int | None = None
    maxLength: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    exclusiveMinimum: float | bool | None = None
    exclusiveMaximum: float | bool | None = None
    multipleOf: float | None = None


class Hints:
    """What the user said, as a supply of names and numbers; each is handed out in turn."""

    def __init__(self, text: str, start: int = 0) -> None:
        self.text = " ".join(text.split())
        self._names = _names(self.text)
        self._numbers = [float(n) for n in NUMBER.findall(self.text)]
        self._name_at = self._number_at = start

    def name(self) -> str | None:
        """The next capitalised name or known place in the text."""
        if not self._names:
            return None
        self._name_at += 1
        return self._names[(self._name_at - 1) % len(self._names)]

    def number(self) -> float | None:
        """The next number in the text."""
        if not self._numbers:
            return None
        self._number_at += 1
        return self._numbers[(self._number_at - 1) % len(self._numbers)]


def _names(text: str) -> list[str]:
    return PLACES.findall(text) or [name for name in CAPITALS.findall(text) if name not in ("I", "I'm", "I’m")]


def arguments(schema: bytes, hints: Hints) -> str:
    """JSON text that satisfies the schema."""
    try:
        root = msgspec.json.decode(schema or b"{}", type=Schema)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadSchema(f"The JSON Schema cannot be read: {error}.") from error
    return msgspec.json.encode(_Maker(root, hints).value(root, "", DEPTH)).decode()


class _Maker:
    """Makes one value for one schema."""

    def __init__(self, root: Schema, hints: Hints) -> None:
        self._defs = {f"#/$defs/{k}": v for k, v in root.defs.items()}
        self._defs |= {f"#/definitions/{k}": v for k, v in root.definitions.items()}
        self._defs["#"] = root
        self._hints = hints

    def value(self, schema: Schema | bool | None, name: str, depth: int) -> Value:
        """A value for this schema, found under this property's name."""
        if not isinstance(schema, Schema) or depth < 0:
            return None
        if schema.ref is not None:
            return self.value(self._defs.get(schema.ref), name, depth - 1)
        if schema.const is not msgspec.UNSET:
            return schema.const
        if schema.enum:
            return self._choice(schema.enum)
        if schema.allOf:
            return self._merged(schema, name, depth)
        branches = schema.anyOf or schema.oneOf
        if branches:
            return self.value(_richest(branches), name, depth - 1)
        return self._typed(schema, name, depth)

    def _choice(self, enum: list[Value]) -> Value:
        said = self._hints.text.lower()
        return next((v for v in enum if isinstance(v, str) and v and v.lower() in said), enum[0])

    def _merged(self, schema: Schema, name: str, depth: int) -> Value:
        rest = msgspec.structs.replace(schema, allOf=[])
        made = [self.value(part, name, depth - 1) for part in [*schema.allOf, *([rest] if rest.properties else [])]]
        objects = [msgspec.convert(part, dict[str, Value]) for part in made if isinstance(part, dict)]
        return {key: value for part in objects for key, value in part.items()} if any(objects) else made[0]

    def _typed(self, schema: Schema, name: str, depth: int) -> Value:
        match _type(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer":
                return int(self._number(schema, whole=True))
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _object(self, schema: Schema, depth: int) -> dict[str, Value]:
        names = schema.required or (list(schema.properties) if depth > DEPTH - 3 else [])
        return {name: self.value(schema.properties.get(name, Schema()), name, depth - 1) for name in names}

    def _array(self, schema: Schema, name: str, depth: int) -> list[Value]:
        made = [self.value(item, name, depth - 1) for item in schema.prefixItems]
        wanted = max(schema.minItems or 1, len(made))
        items = schema.items if isinstance(schema.items, Schema) else Schema(type="string")
        return made + [self.value(items, name, depth - 1) for _ in range(wanted - len(made))]

    def _number(self, schema: Schema, *, whole: bool) -> float:
        low, high = _bounds(schema, step=1 if whole else 0.5)
        said = self._hints.number()
        wanted = said if said is not None else low if low is not None else 1.0
        if low is not None and wanted < low:
            wanted = low
        if high is not None and wanted > high:
            wanted = high
        step = schema.multipleOf or (1 if whole else 0)
        if step:
            rounded = wanted // step * step
            wanted = rounded if low is None or rounded >= low else rounded + step
        return wanted

    def _string(self, schema: Schema, name: str) -> str:
        if schema.format in FORMATS:
            return FORMATS[schema.format]
        said = self._said(schema, name)
        if schema.minLength and len(said) < schema.minLength:
            said = said.ljust(schema.minLength, "x")
        return said[: schema.maxLength] if schema.maxLength is not None else said

    def _said(self, schema: Schema, name: str) -> str:
        text = self._hints.text
        if FORMULA.search(name):
            found = SUM.search(text)
            if found:
                return found.group().strip()
        if text and WHOLE.search(name):
            return text[:200]
        told = next((v for v in [schema.default, *schema.examples] if isinstance(v, str)), None)
        return self._hints.name() or told or "Beijing"


def _type(schema: Schema) -> str:
    kind = schema.type
    if isinstance(kind, list):
        kind = next((k for k in kind if k.lower() != "null"), "null")
    if kind is None:
        kind = "object" if schema.properties or schema.required else "array" if schema.items else "string"
    return kind.lower()


def _richest(branches: list[Schema | bool]) -> Schema | bool:
    return next((b for b in branches if isinstance(b, Schema) and b.type != "null"), branches[0])


def _bounds(schema: Schema, step: float) -> tuple[float | None, float | None]:
    low, high = schema.minimum, schema.maximum
    above, below = schema.exclusiveMinimum, schema.exclusiveMaximum
    if above is True and low is not None:
        low += step
    elif above is not None and not isinstance(above, bool):
        low = above + step
    if below is True and high is not None:
        high -= step
    elif below is not None and not isinstance(below, bool):
        high = below - step
    return low, high
