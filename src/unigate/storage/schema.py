"""The database's tables, as the steps that made them: one is added for each change, none is ever edited."""

from __future__ import annotations

__all__ = ["STEPS"]

_FIRST = """
CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('client', 'admin')),
    models TEXT,
    created_ns INTEGER NOT NULL,
    revoked_ns INTEGER
) STRICT;
CREATE UNIQUE INDEX living_key_names ON keys (name) WHERE revoked_ns IS NULL;

CREATE TABLE model_lists (
    provider TEXT PRIMARY KEY,
    models TEXT NOT NULL,
    fetched_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE journal_offsets (
    folder TEXT PRIMARY KEY,
    segment TEXT NOT NULL,
    offset INTEGER NOT NULL
) STRICT;

CREATE TABLE open_intents (
    id TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    entry BLOB NOT NULL
) STRICT;

PRAGMA user_version = 1;
"""

STEPS: tuple[str, ...] = (_FIRST,)
