"""Judges a configuration as a whole: each part's types first, then whether the parts fit together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from unigate.admission.addresses import network_fault
from unigate.config import (
    BudgetSettings,
    CaptureSettings,
    Config,
    JournalSettings,
    LogSettings,
    ProviderSettings,
    RetentionSettings,
    RouteSettings,
    ServerSettings,
    TargetSettings,
)
from unigate.config_checks import (
    address_fault,
    credential_fault,
    credentials_file_fault,
    database_fault,
    fact_fault,
    header_fault,
    is_name,
    origin_fault,
    valkey_fault,
)
from unigate.config_nodes import Fields, Items, Leaf, Problems, plain
from unigate.config_prices import judge_prices
from unigate.config_shape import check_names, part
from unigate.config_tenants import judge_keys, judge_organisations, judge_projects
from unigate.routing.table import Row, Table, TableError, build_provider, nearest
from unigate.secret import Secret

__all__ = ["judge", "provider_faults"]

_LINE_SAFE = re.compile(r"[^\x00-\x1f\x7f]+")


def judge(root: Fields, table: Table, problems: Problems) -> Config:
    """The configuration of a file; whether it may be used, the problems tell."""
    check_names(root, Config, "", problems)
    section = _section(root, "providers", problems)
    organisations = _section(root, "organisations", problems)
    projects = _section(root, "projects", problems)
    return Config(
        server=_server(root, problems),
        database=_secret_url(root, "database", database_fault, problems),
        valkey=_secret_url(root, "valkey", valkey_fault, problems),
        retention=part(_section(root, "retention", problems), RetentionSettings, "retention", problems)
        or RetentionSettings(),
        providers=dict(_providers(section, table, problems)),
        models=dict(_models(_section(root, "models", problems), list(section.entries), problems)),
        organisations=dict(judge_organisations(organisations, problems)),
        projects=dict(judge_projects(projects, list(organisations.entries), problems)),
        keys=tuple(judge_keys(root.entries.get("keys"), list(projects.entries), problems)),
        prices=dict(judge_prices(_section(root, "prices", problems), list(section.entries), problems)),
        budgets=part(_section(root, "budgets", problems), BudgetSettings, "budgets", problems) or BudgetSettings(),
        log=part(_section(root, "log", problems), LogSettings, "log", problems) or LogSettings(),
        journal=part(_section(root, "journal", problems), JournalSettings, "journal", problems) or JournalSettings(),
        capture=part(_section(root, "capture", problems), CaptureSettings, "capture", problems) or CaptureSettings(),
    )


def _section(root: Fields, name: str, problems: Problems) -> Fields:
    match root.entries.get(name):
        case Fields() as fields:
            return fields
        case None | Leaf(value=None):
            return Fields(root.line_of(name), {}, {})
        case other:
            problems.add(other.line, f"{name}: expected a mapping of names to values")
            return Fields(other.line, {}, {})


def _server(root: Fields, problems: Problems) -> ServerSettings:
    node = _section(root, "server", problems)
    server = part(node, ServerSettings, "server", problems) or ServerSettings()
    if not server.host or not re.fullmatch(r"[A-Za-z0-9.:%_-]+", server.host):
        problems.add(
            node.line_of("host"), "server.host: expected an address or a host's name, without a port or scheme"
        )
    for index, origin in enumerate(server.cors_origins):
        if fault := origin_fault(origin):
            problems.add(node.line_of("cors_origins"), f"server.cors_origins[{index}]: {fault}")
    for index, proxy in enumerate(server.trusted_proxies):
        if fault := network_fault(proxy):
            problems.add(node.line_of("trusted_proxies"), f"server.trusted_proxies[{index}]: '{proxy[:60]}' {fault}")
    return server


def _secret_url(root: Fields, name: str, fault_of: Callable[[str], str | None], problems: Problems) -> Secret | None:
    node = root.entries.get(name)
    if node is None or (isinstance(node, Leaf) and node.value is None):
        return None
    url = part(node, Secret, name, problems)
    if url is not None and (fault := fault_of(url.reveal())):
        problems.add(node.line, f"{name}: {fault}")
    return url


def _providers(section: Fields, table: Table, problems: Problems) -> Iterator[tuple[str, ProviderSettings]]:
    for name, node in section.entries.items():
        line = section.line_of(name)
        if not is_name(name):
            problems.add(line, f"providers: '{name[:60]}' may hold only letters, digits, '.', '_' and '-'")
        before = problems.reports
        settings = part(node, ProviderSettings, f"providers.{name}", problems)
        if settings is None:
            continue
        fields = node if isinstance(node, Fields) else Fields(line, {}, {})
        for field, fault in provider_faults(settings, table):
            if fault:
                problems.add(fields.line_of(field), f"providers.{name}.{field}: {fault}")
        if problems.reports == before:
            _try_provider(name, line, settings, table, problems)
        yield name, settings


def provider_faults(settings: ProviderSettings, table: Table) -> Iterator[tuple[str, str | None]]:
    """What may be wrong with each field of a provider, by the field's name."""
    if settings.kind is not None and settings.kind not in table:
        yield "kind", f"unknown kind '{settings.kind}'{nearest(settings.kind, table)}"
    for field, value, fault in _texts(settings):
        if value is not None:
            yield field, fault(value)
    if settings.prices:
        sections = sorted({row.prices for row in table.values() if row.prices})
        if settings.prices not in sections:
            yield "prices", f"unknown section '{settings.prices[:60]}'{nearest(settings.prices, sections)}"
    if settings.speaks is not None:
        yield "speaks", _speaks_fault(settings.speaks, table)
    for header, value in settings.headers.items():
        if fault := header_fault(header, value):
            yield "headers", f"'{header[:60]}' {fault}"


def _texts(settings: ProviderSettings) -> Iterator[tuple[str, str | None, Callable[[str], str | None]]]:
    """The fields that are text, and what checks each."""
    yield "base_url", settings.base_url, address_fault
    yield "origin", settings.origin, partial(address_fault, bare=True)
    yield "credentials_file", settings.credentials_file, credentials_file_fault
    yield "access_key_id", settings.access_key_id, credential_fault
    secrets = {
        "api_key": settings.api_key,
        "secret_access_key": settings.secret_access_key,
        "session_token": settings.session_token,
        "access_token": settings.access_token,
    }
    yield from ((field, secret.reveal(), credential_fault) for field, secret in secrets.items() if secret is not None)
    facts = {
        "api_version": settings.api_version,
        "account": settings.account,
        "region": settings.region,
        "project": settings.project,
        "location": settings.location,
    }
    yield from ((field, fact, fact_fault) for field, fact in facts.items() if fact)


def _speaks_fault(speaks: tuple[str, ...], table: Table) -> str | None:
    from unigate.dialects.table import DIALECTS  # many modules, for a list that few files have

    known = sorted({*DIALECTS, *(word for row in table.values() for word in _spoken(row))})
    unknown = [f"'{word}'{nearest(word, known)}" for word in speaks if word not in known]
    if unknown:
        return f"unknown format {' and '.join(unknown)}"
    return None if speaks else "names no format; leave it out for the usual ones"


def _spoken(row: Row) -> Iterator[str]:
    for one in (row, *row.also):
        yield from one.speaks


def _try_provider(name: str, line: int, settings: ProviderSettings, table: Table, problems: Problems) -> None:
    """Builds the provider once, to see that nothing is missing."""
    try:
        build_provider(name, settings, table)
    except TableError as error:
        hint = "; give 'kind' to name a known service" if settings.kind is None and name not in table else ""
        problems.add(line, f"{error}{hint}")


def _models(section: Fields, names: list[str], problems: Problems) -> Iterator[tuple[str, str | RouteSettings]]:
    for name, node in section.entries.items():
        path = f"models.{name}"
        if not _LINE_SAFE.fullmatch(name):
            problems.add(section.line_of(name), "models: a name is empty or has a control character")
        if isinstance(node, Items) or (isinstance(node, Leaf) and node.value is None):
            problems.add(node.line, f"{path}: expected 'provider/model', or a mapping with 'targets'")
            continue
        model = part(node, str if isinstance(node, Leaf) else RouteSettings, path, problems)
        if isinstance(model, str):
            _check_place(model, node.line, path, names, problems)
        elif isinstance(node, Fields):
            _check_route(node, path, names, problems)
        if model is not None:
            yield name, model


def _check_place(place: str, line: int, path: str, names: list[str], problems: Problems) -> None:
    provider, slash, model = place.partition("/")
    if not slash or not provider or not _LINE_SAFE.fullmatch(model):
        problems.add(line, f"{path}: expected 'provider/model', such as 'openai/gpt-4o-mini'")
    elif provider not in names:
        problems.add(line, f"{path}: no provider '{provider}' is configured{nearest(provider, names)}")


def _check_route(node: Fields, path: str, names: list[str], problems: Problems) -> None:
    policy, targets = node.entries.get("policy"), node.entries.get("targets")
    is_ordered = policy is None or plain(policy) == "ordered"
    for index, place in enumerate(targets.items if isinstance(targets, Items) else ()):
        at = f"{path}.targets[{index}]"
        target = part(place, TargetSettings, at, problems)
        if target is None or not isinstance(place, Fields):
            continue
        if target.provider not in names:
            fault = f"no provider '{target.provider}' is configured{nearest(target.provider, names)}"
            problems.add(place.line_of("provider"), f"{at}: {fault}")
        if not _LINE_SAFE.fullmatch(target.model):
            problems.add(place.line_of("model"), f"{at}.model: expected text that is not empty")
        if "weight" in place.entries and is_ordered:
            fault = "counts only with 'policy: weighted'; add that or remove this"
            problems.add(place.line_of("weight"), f"{at}.weight: {fault}")
