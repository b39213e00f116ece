"""Bodies on their way into the database: read from beside the journal, and blackened where their key wants it so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from unigate.accounting.record import Body
from unigate.accounting.redaction import Redactor
from unigate.added import Added
from unigate.side_files import read_side_file, remove_side_file
from unigate.snapshot import Settings, Stored
from unigate.storage.database import Value
from unigate.target import Provider

__all__ = ["ADD_BODY", "BodyRows", "redactor_of"]

log = logging.getLogger("unigate.keeper")

ADD_BODY = (
    "INSERT INTO bodies (call, kind, content, size, redacted) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (call, kind) DO NOTHING"
)


class BodyRows:
    """Makes rows of bodies; one that cannot be made is left out, so that it stops no call's row."""

    def __init__(self, folder: Path, redactor: Redactor) -> None:
        self._folder = folder
        self._redactor = redactor

    def rows(self, bodies: Sequence[tuple[Body, str]]) -> Sequence[tuple[Value, ...]]:
        """The values of ADD_BODY, for bodies each with the life that wrote it."""
        return [row for body, life in bodies if (row := self._row(body, life)) is not None]

    def remove(self, bodies: Sequence[tuple[Body, str]]) -> None:
        """Removes what lay beside the journals, once the rows are safe. Raises OSError."""
        for body, life in bodies:
            remove_side_file(self._folder / life, body)

    def _row(self, body: Body, life: str) -> tuple[Value, ...] | None:
        content = read_side_file(self._folder / life, body) if body.file else body.content
        if content is None:
            return None
        size = body.size or len(content)
        try:
            if body.redact:
                content = self._redactor.body(content, is_cut=size > len(content))
        except (ValueError, RecursionError, MemoryError) as error:
            log.warning("body.not_blackened call=%s kind=%s reason=%s", body.call, body.kind, type(error).__name__)
            return None
        return body.call, body.kind, content, size, int(body.redact)


def redactor_of(settings: Settings, stored: Callable[[], Stored], added: Callable[[], Added]) -> Redactor:
    """What blackens the keys of this gateway: its providers' and its clients', with those that were made by then."""
    hashes = _Hashes(frozenset(entry.hash for entry in settings.keys), stored)
    return Redactor(_Credentials(settings.providers, added).known, hashes.has)


class _Credentials:
    """All providers' credentials, also those ended since: a call that was made with one may be carried later."""

    def __init__(self, named: Iterable[Provider], added: Callable[[], Added]) -> None:
        self._added = added
        self._seen = Added()
        self._known = _credentials(named)

    def known(self) -> frozenset[str]:
        added = self._added()
        if added is not self._seen:
            self._seen = added
            self._known |= _credentials(added.providers.values())
        return self._known


def _credentials(providers: Iterable[Provider]) -> frozenset[str]:
    secrets = (secret for one in providers for secret in (one.key, one.signing.session_token))
    return frozenset(secret.reveal() for secret in secrets if secret)


class _Hashes:
    """The hashes of all clients' keys, made anew whenever the stored ones have changed."""

    def __init__(self, named: frozenset[str], stored: Callable[[], Stored]) -> None:
        self._named = named
        self._stored = stored
        self._seen = Stored()
        self._made = named

    def has(self, digest: bytes) -> bool:
        stored = self._stored()
        if stored is not self._seen:
            self._seen = stored
            self._made = self._named.union(entry.hash for entry in stored.keys)
        return digest.hex() in self._made
