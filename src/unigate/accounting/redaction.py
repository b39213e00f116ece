"""Redaction: a body as it may be kept, with `[email]`, `[key]` and the like where secrets and personal data were.

JSON is read and written again, so that no escape hides anything. The pieces of a stream's text are judged as one text,
because a model's answer cuts every address into several.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from unigate.accounting.secrets_in_text import Finder, Place

__all__ = ["Redactor"]

_Json = None | bool | int | float | str | list["_Json"] | dict[str, "_Json"]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
# Repeated in each event, and never a piece of a text.
_WHOLE = frozenset({"id", "object", "model", "type", "role", "event", "event_id", "item_id", "response_id"})
# What says which of several texts a piece belongs to.
_NUMBERS = ("index", "output_index", "content_index", "summary_index")
_SECRET_NAME = re.compile(
    r"(?i)password|passwd|(?:client_?)?secret|(?:x-)?api[_-]?key|(?:access|auth|refresh)_?token|authorization"
)
_ESCAPE = re.compile(r"\\(?:u((?![dD][89a-fA-F])[0-9a-fA-F]{4})|([nrt/\"]))")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "/": "/", '"': '"'}
# Where a body was cut, half a secret may stand, which no rule knows.
_UNSURE = 256


class Redactor:
    """Blackens bodies; what cannot be read as text is left out whole."""

    def __init__(self, live: Callable[[], frozenset[str]], is_key: Callable[[bytes], bool]) -> None:
        """`live`: providers' keys as they are now; `is_key`: whether a SHA-256 is that of a client's key."""
        self._live = live
        self._is_key = is_key
        self._known = live()
        self._finder = Finder(self._known, is_key)

    def body(self, content: bytes, *, is_cut: bool = False) -> bytes:
        """A body without what must not be kept."""
        if (live := self._live()) is not self._known:
            self._known, self._finder = live, Finder(live, self._is_key)
        text = _text_of(content, is_cut=is_cut)
        if text is None:
            return b"[binary, %d bytes]" % len(content)
        value = _json_of(text)
        if isinstance(value, list):
            self._blacken(value, is_cut=is_cut)  # Gemini's unframed stream is a list of events
        elif value is not None:
            self._blacken([value], is_cut=is_cut)
        else:
            return self._lines(text, is_cut=is_cut).encode()
        return _encode(value)

    def _lines(self, text: str, *, is_cut: bool) -> str:
        """A text of lines, of which some may be events in JSON."""
        lines = _LINE.findall(text)
        heads = [line[: len(line) - len(_data_of(line))] for line in lines]
        values = [_json_of(_data_of(line)) for line in lines]
        self._blacken([value for value in values if value is not None], is_cut=is_cut)
        shown: list[str] = []
        rest = ""
        for line, head, value in zip(lines, heads, values, strict=True):
            if value is None:
                rest += line
                continue
            shown += (self._plain(rest), head, _encode(value).decode(), _end_of(line))
            rest = ""
        if is_cut:
            rest = rest[: max(len(rest) - _UNSURE, 0)] + "[cut]"
        return "".join((*shown, self._plain(rest)))

    def _plain(self, text: str) -> str:
        if '"' in text and "\\" in text:
            text = _ESCAPE.sub(_unescaped, text)  # JSON that was cut
        return "".join(_without([text], self._finder.places(text)))

    def _blacken(self, events: list[_Json], *, is_cut: bool) -> None:
        """Changes the events' texts in place; those of the same place in each event are one text."""
        texts: dict[tuple[str | int, ...], list[_Piece]] = {}
        for event in events:
            for path, piece in _pieces(event):
                texts.setdefault(path, []).append(piece)
        for path, pieces in texts.items():
            if path[-1] in _WHOLE:
                for piece in pieces:
                    piece.put(*_without([piece.text], self._finder.places(piece.text)))
                continue
            words = [piece.text for piece in pieces]
            places = self._finder.places("".join(words))
            if is_cut and len(words) > 1:
                places = _with_end_cut(places, sum(map(len, words)))
            if places:
                for piece, word in zip(pieces, _without(words, places), strict=True):
                    piece.put(word)


class _Piece:
    """A text where it stands in a value, and the way to change it there."""

    __slots__ = ("put", "text")

    def __init__(self, text: str, put: Callable[[str], None]) -> None:
        self.text = text
        self.put = put


def _pieces(event: _Json) -> Iterator[tuple[tuple[str | int, ...], _Piece]]:
    """The texts in a value, each with its path; without recursion, however deep it is nested."""
    waiting: list[tuple[tuple[str | int, ...], _Json]] = [((), event)]
    while waiting:
        path, value = waiting.pop()
        match value:
            case dict():
                path += tuple(number for name in _NUMBERS if isinstance(number := value.get(name), int))
                for name, item in value.items():
                    if _SECRET_NAME.fullmatch(name):
                        value[name] = "[secret]"
                    elif isinstance(item, str):
                        yield (*path, name), _Piece(item, _putter(value, name))
                    else:
                        waiting.append(((*path, name), item))
            case list():
                for place, item in enumerate(value):
                    if isinstance(item, str):
                        yield (*path, place), _Piece(item, _list_putter(value, place))
                    else:
                        waiting.append(((*path, place), item))
            case _:
                pass


def _putter(holder: dict[str, _Json], name: str) -> Callable[[str], None]:
    def put(text: str) -> None:
        holder[name] = text

    return put


def _list_putter(holder: list[_Json], place: int) -> Callable[[str], None]:
    def put(text: str) -> None:
        holder[place] = text

    return put


def _without(words: list[str], places: list[Place]) -> list[str]:
    """The words of one text without those places; a kind's name stands where each place began."""
    shown: list[str] = []
    begin, number = 0, 0
    for word in words:
        end, at, parts = begin + len(word), begin, list[str]()
        while number < len(places) and places[number][0] < end:
            first, last, kind = places[number]
            if first >= begin:
                parts += (word[at - begin : first - begin], f"[{kind}]")
            at = min(last, end)
            if last > end:
                break  # the rest of it is in the words that follow
            number += 1
        parts.append(word[at - begin :])
        shown.append("".join(parts))
        begin = end
    return shown


def _with_end_cut(places: list[Place], length: int) -> list[Place]:
    start = max(length - _UNSURE, 0)
    kept = [place for place in places if place[1] <= start]
    return [*kept, (min([start, *(place[0] for place in places if place[1] > start)]), length, "cut")]


def _text_of(content: bytes, *, is_cut: bool) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        if is_cut and error.start >= len(content) - 3:
            return content[: error.start].decode()
        return None


def _json_of(text: str) -> _Json:
    """An object or a list; None for any other text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value: _Json = _decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value


def _data_of(line: str) -> str:
    """What stands behind a line's `data:`; in a stream of bare lines, the line."""
    return line[5:].lstrip(" ") if line.startswith("data:") else line


def _end_of(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _PLAIN[found[2]]
