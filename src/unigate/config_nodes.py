"""A YAML file as a tree of values that know their line; the only module that knows the YAML library."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

import yaml

from unigate.errors import ConfigError, Problem

__all__ = ["Fields", "Items", "Leaf", "Node", "Plain", "Problems", "parse_nodes", "plain"]

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]

_LARGEST_FILE = 5 * 1024 * 1024
_MOST_NODES = 100_000
_DEEPEST = 64
_SHORTEST_HIDDEN = 8

_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_WHOLE_TAGS = frozenset({"!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})(\.[0-9]{0,18})?([eE][-+]?[0-9]{1,2})?")
_WORDS: Mapping[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}

_REFERENCE = re.compile(r"\$\$\{|\$\{[^}]*\}?")
_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value; `referred` if it stands wholly for a variable and so may be a number after all.

    `fault` says why the value is not known, if it is not.
    """

    line: int
    value: str | int | float | bool | None
    referred: bool = False
    fault: str | None = None
    size: int = 1


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    line: int
    items: tuple[Node, ...]
    size: int = 1


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping; `lines` says where each of its keys stands."""

    line: int
    entries: Mapping[str, Node]
    lines: Mapping[str, int]
    size: int = 1

    def line_of(self, name: str) -> int:
        """Where a key stands, or the mapping itself if it has no such key."""
        return self.lines.get(name, self.line)


Node = Leaf | Items | Fields


class _Parser(Protocol):
    """What is used of the library's loaders."""

    def check_event(self) -> bool: ...
    def get_event(self) -> yaml.Event: ...
    def dispose(self) -> None: ...


# The C parser is absent where PyYAML was built without libyaml; the other one is ten times slower.
_LOADER: Callable[[str], _Parser] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Problems:
    """Gathers what is wrong with one file, and keeps every secret out of the sentences."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: dict[Problem, None] = {}
        self._hidden: dict[str, str] = {}
        self.reports = 0

    def __bool__(self) -> bool:
        return bool(self._found)

    def hide(self, text: str, shown: str = "…") -> None:
        """Has a text shown as another one wherever a sentence would contain it."""
        if len(text) >= _SHORTEST_HIDDEN:
            self._hidden[text] = shown

    def add(self, line: int, reason: str) -> None:
        """Takes one problem; the same one twice is two reports but one problem."""
        self.reports += 1
        self._found[Problem(self._file, line, reason)] = None

    def fail(self, line: int, reason: str) -> NoReturn:
        """Takes a problem behind which nothing more can be read."""
        self.add(line, reason)
        raise self.error()

    def error(self) -> ConfigError:
        """All of them by line, as the error to raise."""
        found = sorted(self._found, key=lambda problem: problem.line)
        return ConfigError(*(Problem(one.file, one.line, self._masked(one.reason)) for one in found))

    def _masked(self, reason: str) -> str:
        for text in sorted(self._hidden, key=len, reverse=True):
            reason = reason.replace(text, self._hidden[text])
        return reason


def parse_nodes(text: str, problems: Problems, environment: Mapping[str, str] | None = None) -> Node | None:
    """The file's tree, `${NAME}` replaced if an environment is given; None for an empty file.

    Raises ConfigError where reading cannot go on; what is wrong with single values is only added to the problems.
    """
    if len(text) > _LARGEST_FILE:
        problems.fail(1, f"the file is larger than {_LARGEST_FILE // 1024 // 1024} MiB")
    builder = _Builder(text.removeprefix("\ufeff"), problems, environment)
    try:
        return builder.document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        problems.fail(line + 1, f"this is not YAML: {error.problem or error.context}{_hint(text, line)}")
    except (yaml.YAMLError, UnicodeEncodeError):
        problems.fail(1, "the file has a character that YAML does not allow")


def plain(node: Node | None) -> Plain:
    """The values of a tree without their lines."""
    match node:
        case Fields(entries=entries):
            return {name: plain(value) for name, value in entries.items()}
        case Items(items=items):
            return [plain(item) for item in items]
        case Leaf(value=value):
            return value
        case None:
            return None


def _hint(text: str, line: int) -> str:
    around = "\n".join(text.splitlines()[max(line - 1, 0) : line + 1])
    return '; inside { } put "${NAME}" in quotes' if "${" in around else ""


class _Builder:
    """Builds the tree from the parser's events, shared where an alias says so; checks size and depth as it goes."""

    def __init__(self, text: str, problems: Problems, environment: Mapping[str, str] | None) -> None:
        self._events = _events(text)
        self._problems = problems
        self._environment = environment
        self._anchors: dict[str, Node] = {}

    def document(self) -> Node | None:
        tree: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if tree is not None:
                    self._problems.fail(_line(event), "the file holds a second document; keep one")
                tree = self._node(next(self._events), 0)
        return None if isinstance(tree, Leaf) and tree.value is None else tree

    def _node(self, event: yaml.Event, depth: int) -> Node:
        line = _line(event)
        if depth > _DEEPEST:
            self._problems.fail(line, f"values are nested deeper than {_DEEPEST} levels")
        match event:
            case yaml.AliasEvent():
                node = self._anchors.get(str(event.anchor))
                if node is None:
                    self._problems.fail(
                        line, "a word that begins with '*' is an alias, and it has no anchor; or quote it"
                    )
                return node
            case yaml.ScalarEvent():
                node = self._leaf(event, line)
            case yaml.SequenceStartEvent():
                node = self._items(event, line, depth)
            case _:
                node = self._fields(event, line, depth)
        if anchor := getattr(event, "anchor", None):
            self._anchors[anchor] = node
        return node

    def _leaf(self, event: yaml.ScalarEvent, line: int) -> Leaf:
        self._check_tag(event, line, _TEXT_TAGS)
        text = event.value
        if self._environment is not None and "${" in text:
            return self._filled(text, line, self._environment)
        return Leaf(line, _value(text) if event.implicit[0] else text)

    def _items(self, event: yaml.Event, line: int, depth: int) -> Items:
        self._check_tag(event, line, _WHOLE_TAGS)
        items: list[Node] = []
        size = 1
        while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(inner, depth + 1))
            size = self._grown(size, items[-1], line)
        return Items(line, tuple(items), size)

    def _fields(self, event: yaml.Event, line: int, depth: int) -> Fields:
        self._check_tag(event, line, _WHOLE_TAGS)
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        merged: list[Fields] = []
        size = 1
        while not isinstance(inner := next(self._events), yaml.MappingEndEvent):
            name, at = self._name(inner), _line(inner)
            value = self._node(next(self._events), depth + 1)
            size = self._grown(size, value, line)
            if name == "<<":
                merged += self._merged(value, at)
            elif name in entries:
                self._problems.add(at, f"'{_short(name)}' stands here twice; it is first given in line {lines[name]}")
            else:
                entries[name], lines[name] = value, at
        for other in merged:
            entries = {**other.entries, **entries}
            lines = {**other.lines, **lines}
        return Fields(line, entries, lines, size)

    def _name(self, event: yaml.Event) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._problems.fail(_line(event), "a name must be plain text")
        if self._environment is not None and "${" in event.value:
            self._problems.add(_line(event), "variables are replaced in values only, not in names")
        return event.value

    def _merged(self, value: Node, line: int) -> list[Fields]:
        parts = value.items if isinstance(value, Items) else (value,)
        if any(not isinstance(part, Fields) for part in parts):
            self._problems.add(line, "'<<' takes a mapping, usually an alias")
        return [part for part in parts if isinstance(part, Fields)]

    def _grown(self, size: int, node: Node, line: int) -> int:
        if size + node.size > _MOST_NODES:
            self._problems.fail(line, f"the file means more than {_MOST_NODES:,} values, aliases counted")
        return size + node.size

    def _check_tag(self, event: yaml.Event, line: int, known: frozenset[str]) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in known:
            self._problems.fail(line, "tags ('!…') are not allowed; remove it")

    def _filled(self, text: str, line: int, environment: Mapping[str, str]) -> Leaf:
        faults: list[str] = []

        def value(found: re.Match[str]) -> str:
            if found.group() == "$${":
                return "${"
            named = _NAMED.fullmatch(found.group())
            if named is None:
                faults.append("'${' must be ${NAME} or ${NAME:-default}; for the text itself write $${")
                return ""
            name, default = named.groups()
            given = environment.get(name)
            if default is not None and not given:
                return default
            if given is None:
                faults.append(f"the variable '{name}' is not set; set it or write ${{{name}:-default}}")
                return ""
            self._problems.hide(given, f"${{{name}}}")
            return given

        filled = _REFERENCE.sub(value, text)
        for fault in faults:
            self._problems.add(line, fault)
        return Leaf(line, filled, _NAMED.fullmatch(text) is not None, faults[0] if faults else None)


def _events(text: str) -> Iterator[yaml.Event]:
    loader = _LOADER(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:57] + "…"


def _value(text: str) -> str | int | float | bool | None:
    """What an unquoted word means in YAML 1.2: `no`, `0x1F`, `1:30` and dates stay the text they are."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
