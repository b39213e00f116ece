"""The database's tables, as the steps that made them: one is added for each change, none is ever edited.

The words are SQLite's; PostgreSQL's types are put in their place when a step is taken there. A transaction's last
statement leaves the step's number.
"""

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
    "offset" INTEGER NOT NULL
) STRICT;

CREATE TABLE open_intents (
    id TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    entry BLOB NOT NULL
) STRICT;

PRAGMA user_version = 1;
"""

# Money is nano-dollars, times are nanoseconds since 1970 unless the name says otherwise; NULL is unknown.
_LEDGER = """
CREATE TABLE organisations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    limits TEXT,
    models TEXT,
    created_ns INTEGER NOT NULL,
    ended_ns INTEGER
) STRICT;
CREATE UNIQUE INDEX living_organisation_names ON organisations (name) WHERE ended_ns IS NULL;

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    organisation TEXT,
    name TEXT NOT NULL,
    limits TEXT,
    models TEXT,
    created_ns INTEGER NOT NULL,
    ended_ns INTEGER
) STRICT;
CREATE UNIQUE INDEX living_project_names ON projects (name) WHERE ended_ns IS NULL;

ALTER TABLE keys ADD COLUMN project TEXT;
ALTER TABLE keys ADD COLUMN limits TEXT;
ALTER TABLE keys ADD COLUMN expires_ns INTEGER;
ALTER TABLE keys ADD COLUMN addresses TEXT;
ALTER TABLE keys ADD COLUMN tags TEXT;
ALTER TABLE keys ADD COLUMN capture TEXT;
ALTER TABLE keys ADD COLUMN replaces TEXT;

CREATE TABLE calls (
    id TEXT PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    ended_ns INTEGER NOT NULL,
    operation TEXT NOT NULL,
    status INTEGER NOT NULL,
    "end" TEXT NOT NULL,
    key TEXT,
    name TEXT,
    project TEXT,
    organisation TEXT,
    model TEXT,
    provider TEXT,
    target TEXT,
    streamed INTEGER NOT NULL,
    demo INTEGER NOT NULL,
    total_us INTEGER NOT NULL,
    first_byte_us INTEGER,
    overhead_us INTEGER,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    reasoning_tokens INTEGER,
    cache_write_tokens INTEGER,
    audio_input_tokens INTEGER,
    audio_output_tokens INTEGER,
    estimated INTEGER NOT NULL,
    cost_nano INTEGER,
    price TEXT,
    held_nano INTEGER,
    flags TEXT NOT NULL,
    error TEXT,
    peer TEXT,
    client_request_id TEXT,
    upstream_request_id TEXT,
    dropped TEXT NOT NULL,
    gateway TEXT NOT NULL,
    life TEXT NOT NULL
) STRICT;
CREATE INDEX calls_by_time ON calls (at_ns, id);
CREATE INDEX calls_by_key ON calls (key, at_ns, id);
CREATE INDEX calls_by_project ON calls (project, at_ns, id);
CREATE INDEX calls_by_organisation ON calls (organisation, at_ns, id);
CREATE INDEX calls_by_model ON calls (model, at_ns, id);
CREATE INDEX calls_by_provider ON calls (provider, at_ns, id);
CREATE INDEX calls_by_status ON calls (status, at_ns, id);
CREATE INDEX calls_by_end ON calls ("end", at_ns, id);
CREATE INDEX calls_by_clients_id ON calls (client_request_id) WHERE client_request_id IS NOT NULL;

CREATE TABLE failed_attempts (
    call TEXT NOT NULL,
    number INTEGER NOT NULL,
    provider TEXT NOT NULL,
    target TEXT NOT NULL,
    "end" TEXT NOT NULL,
    us INTEGER NOT NULL,
    PRIMARY KEY (call, number)
) STRICT;

CREATE TABLE bodies (
    call TEXT NOT NULL,
    kind TEXT NOT NULL,
    content BLOB NOT NULL,
    size INTEGER NOT NULL,
    redacted INTEGER NOT NULL,
    PRIMARY KEY (call, kind)
) STRICT;

CREATE TABLE spend (
    scope TEXT NOT NULL,
    "window" TEXT NOT NULL,
    nano INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (scope, "window")
) STRICT;

CREATE TABLE usage_hours (
    hour_ns INTEGER NOT NULL,
    key TEXT NOT NULL,
    project TEXT NOT NULL,
    organisation TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    status INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    nano INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    total_us INTEGER NOT NULL,
    PRIMARY KEY (hour_ns, key, project, organisation, model, provider, status)
) STRICT;

CREATE TABLE leases (
    life TEXT NOT NULL,
    scope TEXT NOT NULL,
    kind TEXT NOT NULL,
    "window" TEXT NOT NULL,
    amount INTEGER NOT NULL,
    drawn INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (life, scope, kind, "window")
) STRICT;
CREATE INDEX leases_by_scope ON leases (scope, kind, "window");

CREATE TABLE lives (
    life TEXT PRIMARY KEY,
    gateway TEXT NOT NULL,
    seen_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE gateways (
    id TEXT PRIMARY KEY,
    seen_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE TABLE versions (
    number INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    who TEXT NOT NULL,
    content TEXT NOT NULL
) STRICT;

CREATE TABLE credentials (
    name TEXT PRIMARY KEY,
    key_id TEXT NOT NULL,
    nonce BLOB NOT NULL,
    sealed BLOB NOT NULL,
    created_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE journal_places (
    gateway TEXT NOT NULL,
    folder TEXT NOT NULL,
    segment TEXT NOT NULL,
    reached INTEGER NOT NULL,
    PRIMARY KEY (gateway, folder)
) STRICT;
INSERT INTO journal_places (gateway, folder, segment, reached)
    SELECT '', folder, segment, "offset" FROM journal_offsets;
DROP TABLE journal_offsets;
ALTER TABLE journal_places RENAME TO journal_offsets;

CREATE TABLE open_calls (
    gateway TEXT NOT NULL,
    folder TEXT NOT NULL,
    id TEXT NOT NULL,
    entry BLOB NOT NULL,
    PRIMARY KEY (gateway, folder, id)
) STRICT;
INSERT INTO open_calls (gateway, folder, id, entry) SELECT '', folder, id, entry FROM open_intents;
DROP TABLE open_intents;
ALTER TABLE open_calls RENAME TO open_intents;

CREATE TABLE log_marks (
    gateway TEXT PRIMARY KEY,
    mark TEXT NOT NULL
) STRICT;
INSERT INTO log_marks (gateway, mark) SELECT '', value FROM meta WHERE name = 'mark';
DELETE FROM meta WHERE name = 'mark';

CREATE TABLE unlogged (
    gateway TEXT NOT NULL,
    id TEXT NOT NULL,
    entry BLOB NOT NULL,
    PRIMARY KEY (gateway, id)
) STRICT;

PRAGMA user_version = 2;
"""

_ADMINISTRATION = """
ALTER TABLE keys ADD COLUMN scopes TEXT;
ALTER TABLE keys ADD COLUMN confined TEXT;
ALTER TABLE keys ADD COLUMN old_hash TEXT;
ALTER TABLE keys ADD COLUMN old_until_ns INTEGER;
CREATE INDEX audit_by_target ON audit (target, number);

CREATE TABLE provider_entries (
    name TEXT PRIMARY KEY,
    content TEXT NOT NULL,
    created_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE route_entries (
    name TEXT PRIMARY KEY,
    content TEXT NOT NULL,
    created_ns INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 3;
"""

# What doors hold of a sliding minute and of calls at once ends by itself, unless it is renewed.
_RATES = """
CREATE TABLE rate_leases (
    scope TEXT NOT NULL,
    kind TEXT NOT NULL,
    life TEXT NOT NULL,
    gateway TEXT NOT NULL,
    amount INTEGER NOT NULL,
    until_ns INTEGER NOT NULL,
    PRIMARY KEY (scope, kind, life)
) STRICT;
CREATE INDEX rate_leases_by_life ON rate_leases (life);

CREATE TABLE recalls (
    number INTEGER PRIMARY KEY,
    gateway TEXT NOT NULL,
    content TEXT NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE recall_answers (
    number INTEGER NOT NULL,
    gateway TEXT NOT NULL,
    PRIMARY KEY (number, gateway)
) STRICT;

PRAGMA user_version = 4;
"""

_DAYS = """
CREATE TABLE usage_days (
    day_ns INTEGER NOT NULL,
    key TEXT NOT NULL,
    project TEXT NOT NULL,
    organisation TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    status INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    nano INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    total_us INTEGER NOT NULL,
    PRIMARY KEY (day_ns, key, project, organisation, model, provider, status)
) STRICT;
INSERT INTO usage_days (day_ns, key, project, organisation, model, provider, status, calls, unpriced, nano,
    input_tokens, output_tokens, cached_tokens, total_us)
    SELECT hour_ns / 86400000000000 * 86400000000000, key, project, organisation, model, provider, status,
        CAST(SUM(calls) AS BIGINT), CAST(SUM(unpriced) AS BIGINT), CAST(SUM(nano) AS BIGINT),
        CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT), CAST(SUM(cached_tokens) AS BIGINT),
        CAST(SUM(total_us) AS BIGINT)
    FROM usage_hours GROUP BY 1, 2, 3, 4, 5, 6, 7;
DROP INDEX IF EXISTS calls_by_upstreams_id;

PRAGMA user_version = 5;
"""

# How each gateway lends: 0 with the others, or alone, as one of so many.
_GATEWAYS = """
CREATE TABLE rate_gateways (
    gateway TEXT PRIMARY KEY,
    seen_ns INTEGER NOT NULL,
    alone INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 6;
"""

STEPS: tuple[str, ...] = (_FIRST, _LEDGER, _ADMINISTRATION, _RATES, _DAYS, _GATEWAYS)
