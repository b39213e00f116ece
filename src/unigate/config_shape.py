"""Compares a part of the file with the struct it should become, and names every difference by line and path."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType, inspect

from unigate.config import ServerSettings
from unigate.config_nodes import Fields, Items, Leaf, Node, Plain, Problems
from unigate.routing.table import nearest
from unigate.secret import Secret

__all__ = ["check_names", "part"]

T = TypeVar("T")

_NUMBER = re.compile(r"[-+]?[0-9]{1,18}(\.[0-9]{1,18})?")

# Known, and dangerous to ignore: an operator who writes them relies on them.
_NOT_YET: Mapping[type, frozenset[str]] = {
    ServerSettings: frozenset({"admin"}),
}


def part(node: Node, kind: type[T], path: str, problems: Problems) -> T | None:
    """The typed value of one part of the file, without what was wrong with it; None if too little is left."""
    value = _read(node, inspect.type_info(kind), path, problems)
    return None if value is UNSET else msgspec.convert(value, type=kind, dec_hook=_secret)


def check_names(node: Fields, kind: type, path: str, problems: Problems) -> None:
    """Reports the keys of a mapping that its struct does not have."""
    known = {field.name for field in msgspec.structs.fields(kind)}
    place = f"{path}: " if path else ""
    for name, line in node.lines.items():
        if name in _NOT_YET.get(kind, ()):
            problems.add(line, f"{place}'{name}' cannot be enforced by this version; remove it")
        elif name not in known:
            problems.add(line, f"{place}unknown field '{name[:60]}'{nearest(name, sorted(known))}")


def _secret(kind: type, value: object) -> Secret:
    return Secret(str(value))


def _read(node: Node, kind: inspect.Type, path: str, problems: Problems) -> Plain | UnsetType:
    kind = _chosen(node, _bare(kind))
    match kind, node:
        case inspect.StructType(), Fields():
            return _read_struct(node, kind, path, problems)
        case inspect.DictType(), Fields():
            values = {
                name: _read(value, kind.value_type, f"{path}.{name}", problems) for name, value in node.entries.items()
            }
            return {name: value for name, value in values.items() if value is not UNSET}
        case inspect.VarTupleType(), Items():
            return _read_items(node, kind, path, problems)
        case ((inspect.StructType() | inspect.DictType()), Leaf(value=None)):
            return _read(Fields(node.line, {}, {}), kind, path, problems)
        case inspect.VarTupleType(), Leaf(value=None):
            return _read(Items(node.line, ()), kind, path, problems)
        case _, Leaf():
            return _read_leaf(node, kind, path, problems)
        case _:
            problems.add(node.line, f"{path}: expected {_words(kind)}")
            return UNSET


def _read_struct(node: Fields, kind: inspect.StructType, path: str, problems: Problems) -> Plain | UnsetType:
    check_names(node, kind.cls, path, problems)
    values: dict[str, Plain] = {}
    for field in kind.fields:
        if field.name not in node.entries:
            if field.required:
                problems.add(node.line, f"{path}: '{field.name}' is missing")
            continue
        value = _read(node.entries[field.name], field.type, f"{path}.{field.name}", problems)
        if value is not UNSET:
            values[field.name] = value
    return values if all(field.name in values for field in kind.fields if field.required) else UNSET


def _read_items(node: Items, kind: inspect.VarTupleType, path: str, problems: Problems) -> Plain | UnsetType:
    items = [_read(item, kind.item_type, f"{path}[{index}]", problems) for index, item in enumerate(node.items)]
    kept = [item for item in items if item is not UNSET]
    if len(items) < (kind.min_length or 0):
        problems.add(node.line, f"{path}: the list is empty")
    return kept if len(kept) >= (kind.min_length or 0) else UNSET


def _read_leaf(leaf: Leaf, kind: inspect.Type, path: str, problems: Problems) -> Plain | UnsetType:
    if leaf.fault is not None:
        problems.add(leaf.line, leaf.fault)
        return UNSET
    value = _number(leaf.value) if leaf.referred and _is_number(kind) else leaf.value
    if not _fits(value, kind):
        is_unquoted = isinstance(kind, inspect.StrType | inspect.CustomType) and not isinstance(value, str | None)
        problems.add(leaf.line, f"{path}: expected {_words(kind)}{'; put it in quotes' if is_unquoted else ''}")
        return UNSET
    if isinstance(kind, inspect.CustomType):
        problems.hide(str(value))
    return value


def _number(value: Plain) -> Plain:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    return float(value) if "." in value else int(value)


def _is_number(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.IntType | inspect.FloatType)


def _fits(value: Plain, kind: inspect.Type) -> bool:
    match kind:
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool) and _within(value, kind)
        case inspect.FloatType():
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            return math.isfinite(value) and _within(value, kind)
        case inspect.StrType():
            return isinstance(value, str) and (kind.min_length or 0) <= len(value) <= (kind.max_length or len(value))
        case inspect.LiteralType():
            return value in kind.values
        case inspect.CustomType():
            return isinstance(value, str)
        case inspect.NoneType():
            return value is None
        case _:
            return False


def _within(value: float, kind: inspect.IntType | inspect.FloatType) -> bool:
    low = (kind.ge is None or value >= kind.ge) and (kind.gt is None or value > kind.gt)
    return low and (kind.le is None or value <= kind.le) and (kind.lt is None or value < kind.lt)


def _bare(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _chosen(node: Node, kind: inspect.Type) -> inspect.Type:
    """The member of a union that a node of this shape can only mean."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    members = [_bare(one) for one in kind.types]
    shapes: Mapping[type, tuple[type, ...]] = {
        Fields: (inspect.StructType, inspect.DictType),
        Items: (inspect.VarTupleType,),
        Leaf: (inspect.StrType, inspect.IntType, inspect.FloatType, inspect.CustomType, inspect.LiteralType),
    }
    if isinstance(node, Leaf) and node.value is None:
        return next((one for one in members if isinstance(one, inspect.NoneType)), kind)
    return next((one for one in members if isinstance(one, shapes[type(node)])), kind)


def _words(kind: inspect.Type) -> str:
    match kind:
        case inspect.IntType() | inspect.FloatType():
            return ("a whole number" if isinstance(kind, inspect.IntType) else "a number") + _bounds(kind)
        case inspect.StrType(min_length=int()):
            return "text that is not empty" + (f", of at most {kind.max_length} characters" if kind.max_length else "")
        case inspect.StrType() | inspect.CustomType():
            return "text"
        case inspect.LiteralType():
            return " or ".join(f"'{one}'" for one in kind.values)
        case inspect.VarTupleType():
            return f"a list, each item {_words(_bare(kind.item_type))}"
        case inspect.UnionType():
            members = [_bare(one) for one in kind.types]
            return " or ".join(_words(one) for one in members if not isinstance(one, inspect.NoneType))
        case inspect.NoneType():
            return "nothing"
        case _:
            return "a mapping of names to values"


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge} to {kind.le}"
    if kind.gt is not None:
        return f" above {kind.gt}"
    return f" of at least {kind.ge}" if kind.ge is not None else ""
