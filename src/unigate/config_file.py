"""The configuration file: read, judged as a whole, and resolved into what the processes need."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

from unigate.accounting.prices import own_prices
from unigate.config import Config, RouteSettings
from unigate.config_checks import loops
from unigate.config_judge import judge
from unigate.config_nodes import Fields, Plain, Problems, parse_nodes, plain
from unigate.config_tenants import key_entry, organisation_entry, project_entry
from unigate.errors import ConfigError, Problem
from unigate.price_file import load_prices
from unigate.routing.table import Table, TableError, build_provider, parse_table
from unigate.snapshot import RouteEntry, Settings
from unigate.target import Provider

__all__ = ["json_schema", "load_config", "load_table", "read_config", "resolve"]

_REFERENCE = {"type": "string", "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}$"}


@cache
def load_table() -> Table:
    """The provider table that comes with the package."""
    text = resources.files("unigate.routing").joinpath("providers.yaml").read_text("utf-8")
    return parse_table(plain(parse_nodes(text, Problems("providers.yaml"))))


def read_config(path: Path, environment: Mapping[str, str]) -> Config:
    """The configuration in a file on disk. Raises ConfigError with everything that is wrong with it."""
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(Problem(str(path), 0, f"the file cannot be read: {error.strerror or error}")) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(Problem(str(path), line, "the file is not UTF-8")) from error
    return load_config(text, str(path), environment)


def load_config(text: str, file: str, environment: Mapping[str, str]) -> Config:
    """The configuration a text means. Raises ConfigError with everything that is wrong with it."""
    problems = Problems(file)
    root = parse_nodes(text, problems, environment)
    if root is None:
        root = Fields(1, {}, {})
    if not isinstance(root, Fields):
        problems.fail(root.line, "the file must be a mapping; begin with 'providers:'")
    config = judge(root, load_table(), problems)
    if problems:
        raise problems.error()
    return config


def resolve(config: Config, table: Table, *, data: str, logs: str, log_level: str) -> Settings:
    """What the processes are told. Raises ConfigError for a provider that cannot be built or leads back here."""
    problems = Problems("configuration")
    providers: list[Provider] = []
    for name, settings in config.providers.items():
        try:
            provider = build_provider(name, settings, table)
        except TableError as error:
            problems.add(0, str(error))
            continue
        if any(loops(one.base_url, config.server.host, config.server.port) for one in provider.endpoints):
            problems.add(0, f"provider '{name}' leads back to this gateway; change its address or the port")
        providers.append(provider)
    if problems:
        raise problems.error()
    return Settings(
        server=config.server,
        providers=tuple(providers),
        routes=tuple(_route(name, model) for name, model in config.models.items()),
        keys=tuple(map(key_entry, config.keys)),
        organisations=tuple(organisation_entry(name, one) for name, one in config.organisations.items()),
        projects=tuple(project_entry(name, one) for name, one in config.projects.items()),
        data=data,
        logs=logs,
        log_level=log_level,
        log=config.log,
        database=config.database,
        valkey=config.valkey,
        retention=config.retention,
        journal=config.journal,
        capture=config.capture,
        prices=load_prices().with_own(own_prices(config.prices)).only(providers),
        budgets=config.budgets,
    )


def _route(name: str, model: str | RouteSettings) -> RouteEntry:
    if isinstance(model, str):
        provider, _, rest = model.partition("/")
        return RouteEntry(name, "ordered", ((provider, rest, 1),))
    return RouteEntry(name, model.policy, tuple((one.provider, one.model, one.weight) for one in model.targets))


def json_schema() -> dict[str, Plain]:
    """The JSON Schema of the file, for editors; wherever a number may stand, so may a ${VARIABLE}."""
    described = msgspec.json.schema(Config, schema_hook=_secret_schema)
    schema: dict[str, Plain] = msgspec.json.decode(msgspec.json.encode(described))
    title: dict[str, Plain] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "unigate.yaml"}
    return title | {name: _with_references(value) for name, value in schema.items()}


def _secret_schema(kind: type) -> dict[str, str]:
    return {"type": "string", "format": "password"}


def _with_references(value: Plain) -> Plain:
    match value:
        case {"type": "integer" | "number", **rest}:
            kept = {name: rest.pop(name) for name in ("description", "default") if name in rest}
            return {**kept, "anyOf": [{"type": value["type"], **rest}, dict(_REFERENCE)]}
        case dict():
            return {name: _with_references(inner) for name, inner in value.items()}
        case list():
            return [_with_references(inner) for inner in value]
        case _:
            return value
