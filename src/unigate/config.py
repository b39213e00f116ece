"""The configuration as the operator writes it: every field with its help, its unit and its default.

The JSON Schema for editors is generated from these structs.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from unigate.secret import Secret
from unigate.target import Timeouts

__all__ = [
    "BudgetSettings",
    "CaptureSettings",
    "Config",
    "JournalSettings",
    "KeySettings",
    "LimitSettings",
    "LogSettings",
    "OrganisationSettings",
    "PriceSettings",
    "ProjectSettings",
    "ProviderSettings",
    "RateSettings",
    "RouteSettings",
    "ServerSettings",
    "TargetSettings",
    "TierSettings",
]


_MOST = 1_000_000_000  # of dollars, in nano-dollars, a 64-bit integer holds nine times as many


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the gateway listens, and the caps on what a client may send."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8000
    workers: Annotated[int, Meta(ge=1, le=256, description="Number of doors that share the port.")] = 1
    cors_origins: Annotated[
        tuple[str, ...], Meta(description="Origins whose pages may call the client API, or ['*'] for any.")
    ] = ()
    max_body_mb: Annotated[int, Meta(ge=1, le=1024, description="Largest request body, in MiB.")] = 64
    header_timeout: Annotated[float, Meta(gt=0, description="Seconds a client has to send a request's head.")] = 10.0
    body_timeout: Annotated[float, Meta(gt=0, description="Seconds a client has to send a request's body.")] = 60.0
    keep_alive: Annotated[float, Meta(gt=0, description="Seconds an idle client connection is kept.")] = 75.0
    write_timeout: Annotated[float, Meta(gt=0, description="Seconds a client may leave an answer unread.")] = 60.0
    drain: Annotated[float, Meta(ge=0, description="Seconds running calls may take at shutdown.")] = 600.0
    heartbeat: Annotated[
        float, Meta(gt=0, description="Seconds of silence before a waiting stream sends a comment.")
    ] = 15.0
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="Addresses and networks (CIDR) whose X-Forwarded-For is believed.")
    ] = ()


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the log of calls is kept, and how large one file of it grows."""

    keep_days: Annotated[int, Meta(ge=1, le=36500, description="Days after which a log file is removed.")] = 30
    rotate_mb: Annotated[int, Meta(ge=1, le=65536, description="Size at which a new log file is begun, in MiB.")] = 64


class JournalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When what happened reaches the disk itself, and how much of it may wait to be carried into the database."""

    fsync: Annotated[
        Literal["interval", "always"],
        Meta(description="`interval`: a power cut loses the last moment; `always`: no answer ends before it is safe."),
    ] = "interval"
    interval_s: Annotated[float, Meta(gt=0, le=60, description="Seconds between two syncs.")] = 1.0
    max_gb: Annotated[
        float, Meta(ge=0.05, description="Size, in GiB, at which new calls are refused until the database takes rows.")
    ] = 4.0


class CaptureSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is kept of the bodies of calls whose keys have their bodies kept."""

    max_kb: Annotated[int, Meta(ge=1, le=4096, description="Largest part of one body that is kept, in KiB.")] = 256


class RetentionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long calls and changes are kept in the database; what was spent is kept for ever."""

    days: Annotated[int, Meta(ge=1, le=36500, description="Days after which a call's rows are removed.")] = 90
    history_days: Annotated[
        int, Meta(ge=1, le=36500, description="Days after which lines of the audit log and versions are removed.")
    ] = 730
    max_gb: Annotated[
        Annotated[float, Meta(ge=0.05)] | None,
        Meta(description="Size, in GiB, at which the oldest calls are removed earlier."),
    ] = None


class ProviderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One provider: usually its key is all it needs."""

    kind: Annotated[str | None, Meta(description="Row of the provider table; the entry's own name if left out.")] = None
    api_key: Annotated[Secret | None, Meta(description="The account's key, best as ${VARIABLE}.")] = None
    base_url: Annotated[str | None, Meta(description="Address in place of the row's.")] = None
    api_version: Annotated[str | None, Meta(description="API version, for services whose addresses name one.")] = None
    account: Annotated[str | None, Meta(description="Account id, for services whose addresses name one.")] = None
    region: Annotated[str | None, Meta(description="AWS region, such as us-east-1.")] = None
    access_key_id: Annotated[str | None, Meta(description="AWS access key, in place of an api_key.")] = None
    secret_access_key: Annotated[Secret | None, Meta(description="Its secret, best as ${VARIABLE}.")] = None
    session_token: Annotated[Secret | None, Meta(description="Its session token, if it is a temporary one.")] = None
    project: Annotated[str | None, Meta(description="Google Cloud project id.")] = None
    location: Annotated[str | None, Meta(description="Google Cloud location, such as europe-west1 or global.")] = None
    credentials_file: Annotated[
        str | None, Meta(description="Google credentials: the JSON file of a service account or a user.")
    ] = None
    access_token: Annotated[Secret | None, Meta(description="A Google access token, in place of a file.")] = None
    origin: Annotated[str | None, Meta(description="Scheme, host and port of a server on your own machine.")] = None
    speaks: Annotated[tuple[str, ...] | None, Meta(description="Formats spoken there, in place of the row's.")] = None
    headers: Annotated[dict[str, str], Meta(description="Fixed headers added to each request.")] = {}
    timeouts: Annotated[Timeouts, Meta(description="Deadlines in seconds.")] = Timeouts()
    max_connections: Annotated[int, Meta(ge=1, description="Connections to keep open at most.")] = 10_000
    when_client_leaves: Annotated[
        Literal["cancel", "drain"],
        Meta(description="`cancel`: the call ends at once; `drain`: it is read to its end, where it is billed anyway."),
    ] = "cancel"
    hints: Annotated[
        Literal["drop", "refuse"],
        Meta(description="Hints it has no words for: `drop` leaves them out and lists them, `refuse` answers 422."),
    ] = "drop"
    prices: Annotated[str | None, Meta(description="Section of the price table, in place of the row's.")] = None


class TargetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model at a provider, as a route names it."""

    provider: Annotated[str, Meta(description="Name of an entry under `providers`.")]
    model: Annotated[str, Meta(description="The model's name at that provider.")]
    weight: Annotated[int, Meta(ge=1, description="Share of the calls, for the weighted policy.")] = 1


class RouteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One public name, several targets: the next is tried where the one before it failed safely."""

    targets: Annotated[tuple[TargetSettings, ...], Meta(min_length=1, description="Targets, in order.")]
    policy: Annotated[
        Literal["ordered", "weighted"], Meta(description="`ordered`: as listed; `weighted`: drawn by weight.")
    ] = "ordered"


_Count = Annotated[int, Meta(ge=1, le=_MOST)]
_Dollars = Annotated[float, Meta(ge=0, le=_MOST)]


class LimitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one key, project or organisation may use; what is left out is not limited."""

    requests_per_minute: Annotated[_Count | None, Meta(description="Requests in any 60 seconds.")] = None
    tokens_per_minute: Annotated[_Count | None, Meta(description="Tokens, in and out, in any 60 seconds.")] = None
    concurrency: Annotated[_Count | None, Meta(description="Calls that may run at once.")] = None
    budget_usd_per_day: Annotated[_Dollars | None, Meta(description="US dollars for each day, in UTC.")] = None
    budget_usd_per_month: Annotated[_Dollars | None, Meta(description="US dollars for each month, in UTC.")] = None
    budget_usd_total: Annotated[_Dollars | None, Meta(description="US dollars ever.")] = None


class OrganisationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Projects that share limits and a list of models."""

    limits: Annotated[LimitSettings, Meta(description="What all its projects may use together.")] = LimitSettings()
    models: Annotated[tuple[str, ...] | None, Meta(description="Names its keys may call; all if left out.")] = None


class ProjectSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys that share limits and a list of models."""

    organisation: Annotated[str | None, Meta(description="Name of an entry under `organisations`.")] = None
    limits: Annotated[LimitSettings, Meta(description="What all its keys may use together.")] = LimitSettings()
    models: Annotated[tuple[str, ...] | None, Meta(description="Names its keys may call; all if left out.")] = None


class KeySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client's key that the file names; `unigate keys` makes others."""

    name: Annotated[str, Meta(min_length=1, max_length=200, description="Shown in the log.")]
    key: Annotated[Secret, Meta(description="The key itself, at least 16 characters, best as ${VARIABLE}.")]
    models: Annotated[tuple[str, ...] | None, Meta(description="Names the key may call; all if left out.")] = None
    role: Annotated[Literal["client", "admin"], Meta(description="`admin` may also change settings.")] = "client"
    project: Annotated[str | None, Meta(description="Name of an entry under `projects`.")] = None
    limits: Annotated[LimitSettings, Meta(description="What this key alone may use.")] = LimitSettings()
    expires: Annotated[
        str | None, Meta(description="Last day it works (2026-12-31, UTC), or the instant it ends (RFC 3339).")
    ] = None
    addresses: Annotated[
        tuple[str, ...] | None, Meta(description="Addresses and networks (CIDR) it may be used from; all if left out.")
    ] = None
    tags: Annotated[dict[str, str], Meta(description="Words of your own, by which usage can be told apart.")] = {}
    capture: Annotated[
        Literal["none", "metadata", "redacted", "full"], Meta(description="How much of its calls is kept.")
    ] = "metadata"


_Rate = Annotated[float, Meta(ge=0, le=1_000_000)]
_Tokens = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class RateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """US dollars for a million tokens; what is left out costs what the input, or the output, costs."""

    input: Annotated[_Rate, Meta(description="Tokens in.")]
    output: Annotated[_Rate, Meta(description="Tokens out.")]
    cached: Annotated[_Rate | None, Meta(description="Tokens in that were read from a cache.")] = None
    cache_write: Annotated[_Rate | None, Meta(description="Tokens in that were written to a cache.")] = None
    cache_write_hour: Annotated[_Rate | None, Meta(description="The same, to be kept for an hour.")] = None
    audio_input: Annotated[_Rate | None, Meta(description="Tokens in that are sound.")] = None
    audio_output: Annotated[_Rate | None, Meta(description="Tokens out that are sound.")] = None
    reasoning: Annotated[_Rate | None, Meta(description="Tokens out that were thought and not said.")] = None


class TierSettings(RateSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model costs in one tier of service."""

    long_from: Annotated[
        _Tokens | None, Meta(description="From this many tokens in, all of a call costs the `long` rates.")
    ] = None
    long: Annotated[RateSettings | None, Meta(description="Rates of a call with a long input.")] = None


class PriceSettings(TierSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model costs, in place of the price table's word."""

    tiers: Annotated[
        dict[str, TierSettings],
        Meta(description="Rates in other tiers of service, by name: `flex`, `priority`, `batch`, `fast`, `fast+us`, …"),
    ] = {}
    per_call: Annotated[_Rate, Meta(description="US dollars for each call.")] = 0.0
    context: Annotated[_Tokens | None, Meta(description="Tokens in, at most.")] = None
    max_output: Annotated[_Tokens | None, Meta(description="Tokens out, at most.")] = None


class BudgetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How budgets are kept."""

    unpriced_call_usd: Annotated[
        _Dollars | None,
        Meta(description="US dollars to hold for a call whose price is unknown; refused if left out."),
    ] = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    server: ServerSettings = ServerSettings()
    database: Annotated[
        Secret | None,
        Meta(description="`sqlite:///path` or `postgresql://…`; `unigate.db` in the data folder if left out."),
    ] = None
    valkey: Annotated[
        Secret | None,
        Meta(description="`redis://…`, a Valkey or Redis server for the rates that several gateways share."),
    ] = None
    retention: RetentionSettings = RetentionSettings()
    providers: dict[str, ProviderSettings] = {}
    models: dict[str, str | RouteSettings] = {}
    organisations: dict[str, OrganisationSettings] = {}
    projects: dict[str, ProjectSettings] = {}
    keys: tuple[KeySettings, ...] = ()
    prices: Annotated[
        dict[str, PriceSettings], Meta(description="What models cost, by `provider/model`, where `*` is anything.")
    ] = {}
    budgets: BudgetSettings = BudgetSettings()
    log: LogSettings = LogSettings()
    journal: JournalSettings = JournalSettings()
    capture: CaptureSettings = CaptureSettings()
