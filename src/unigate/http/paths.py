"""Which path of the client API means which operation, of which dialect, on which model."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

import msgspec

from unigate.dialects.dialect import Dialect
from unigate.dialects.table import DIALECTS

__all__ = ["Place", "listed_places", "place_of", "unquoted"]


class Place(msgspec.Struct, frozen=True):
    """What a path asks for; the model and whether to stream where the path says so, not the body."""

    dialect: Dialect
    model: str | None = None
    streamed: bool = False


def listed_places() -> Mapping[bytes, Place]:
    """Every path that names no model: each dialect's own operation, with and without `/v1`, and its aliases."""
    return {
        path.encode(): Place(dialect)
        for dialect in DIALECTS.values()
        if dialect.serves_clients and dialect.model_in != "path"
        for path in (dialect.operation, f"/v1{dialect.operation}", *dialect.aliases)
    }


def place_of(path: bytes, query: bytes) -> Place | None:
    """What a path that names a model asks for: an Azure client's deployment, or one of Gemini's verbs."""
    if path.startswith(b"/openai/deployments/"):
        deployment, _, operation = path[20:].partition(b"/")
        dialect = _BY_OPERATION.get(b"/" + operation)
        return Place(dialect, unquoted(deployment)) if dialect and deployment else None
    before, slash, last = path.rpartition(b"/models/")
    if not slash:
        before, last = _below_version(path)
    model, colon, verb = last.rpartition(b":")
    if not (colon and model) or not before.startswith((b"/v1", b"/models")):
        return None
    found = _VERBS.get(verb)
    if found is None:
        return None
    name, streamed = found
    if streamed and ("alt", "sse") not in parse_qsl(query.decode("latin-1")):
        name += ".array"
    dialect = DIALECTS.get(name)
    return Place(dialect, unquoted(model), streamed) if dialect is not None else None


def _below_version(path: bytes) -> tuple[bytes, bytes]:
    """The parts of a path whose model's name has a slash in it: Vercel's library takes such a name for a whole path."""
    version, _, named = path[1:].partition(b"/")
    return (path[: 1 + len(version)], named) if version.startswith(b"v1") and b"/" in named else (b"", b"")


def unquoted(name: bytes) -> str:
    """A part of a path as its text."""
    return unquote(name.decode("latin-1"))


_BY_OPERATION = {
    dialect.operation.encode(): dialect for dialect in DIALECTS.values() if dialect.name.startswith("openai.")
}
# https://ai.google.dev/api/generate-content and its neighbours
_VERBS: Mapping[bytes, tuple[str, bool]] = {
    b"generateContent": ("gemini.generate", False),
    b"streamGenerateContent": ("gemini.generate", True),
    b"countTokens": ("gemini.count_tokens", False),
    b"embedContent": ("gemini.embed", False),
    b"batchEmbedContents": ("gemini.batch_embed", False),
}
