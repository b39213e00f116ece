"""The provider table: every row is well-formed, unambiguous and documented."""

import re
from pathlib import Path
from typing import Literal

import msgspec
import pytest
import yaml

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "src" / "unigate" / "routing" / "providers.yaml"

Auth = Literal["bearer", "x-api-key", "azure-key", "x-goog-api-key", "none"]
Speech = Literal[
    "anthropic.messages",
    "gemini.generate",
    "openai.audio",
    "openai.chat",
    "openai.completions",
    "openai.embeddings",
    "openai.images",
    "openai.models",
    "openai.moderations",
    "openai.rerank",
    "openai.responses",
]
PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Endpoint(Strict, frozen=True):
    """A second door of the same service; what it leaves out is as in its row."""

    speaks: tuple[Speech, ...]
    base_url: str = ""
    auth: Auth | None = None
    headers: dict[str, str] = {}


class Probe(Strict, frozen=True):
    """How to recognise a server on this machine."""

    port: int
    path: str
    has: tuple[str, ...]
    owned_by: str = ""


class Row(Strict, frozen=True):
    """What is known of one service."""

    title: str
    speaks: tuple[Speech, ...]
    docs: str
    base_url: str = ""
    auth: Auth = "bearer"
    headers: dict[str, str] = {}
    path: str = "{operation}"
    query: str = ""
    needs: tuple[str, ...] = ()
    variables: dict[str, tuple[str, ...]] = {}
    defaults: dict[str, str] = {}
    key_variables: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    drop: tuple[str, ...] = ()
    set: dict[str, bool | int | float | str] = {}
    stream_usage: bool = True
    local: bool = False
    probe: Probe | None = None
    also: tuple[Endpoint, ...] = ()


def load() -> dict[str, Row]:
    return msgspec.convert(yaml.safe_load(TABLE.read_text("utf-8")), dict[str, Row], strict=True)


ROWS = load()
each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())


def test_many_services_speak_openai() -> None:
    assert sum("openai.chat" in spoken(row) for row in ROWS.values()) >= 20


def spoken(row: Row) -> set[str]:
    return {word for part in (row, *row.also) for word in part.speaks}


@each_row
def test_every_placeholder_can_be_filled(row: Row) -> None:
    used = set(PLACEHOLDER.findall(row.base_url + row.path + row.query))
    known = {"model", "operation", *row.needs, *row.defaults}
    assert used <= known
    assert row.base_url or "base_url" in row.needs


def test_a_variable_names_one_row() -> None:
    names = [name for row in ROWS.values() for name in row.key_variables]
    assert sorted(names) == sorted(set(names))
