"""Organisations, projects and keys of a configuration: judged as a whole, and resolved into what the processes need."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unigate.admission.addresses import network_fault
from unigate.admission.keys import hash_key
from unigate.admission.terms import expiry_ns, nano_of, tags_fault
from unigate.config import KeySettings, LimitSettings, OrganisationSettings, ProjectSettings
from unigate.config_checks import is_name, key_fault
from unigate.config_nodes import Fields, Items, Leaf, Node, Problems
from unigate.config_shape import part
from unigate.routing.table import nearest
from unigate.snapshot import GroupEntry, KeyEntry
from unigate.tenancy import Capture, Limits

__all__ = [
    "judge_keys",
    "judge_organisations",
    "judge_projects",
    "key_entry",
    "limits_of",
    "organisation_entry",
    "project_entry",
]

_LINE_SAFE = re.compile(r"[^\x00-\x1f\x7f]+")


# --- judging


def judge_organisations(section: Fields, problems: Problems) -> Iterator[tuple[str, OrganisationSettings]]:
    """The organisations of a file; what is wrong with them goes to the problems."""
    for name, node in section.entries.items():
        _check_name("organisations", name, section.line_of(name), problems)
        settings = part(node, OrganisationSettings, f"organisations.{name}", problems)
        if settings is not None:
            yield name, settings


def judge_projects(
    section: Fields, organisations: list[str], problems: Problems
) -> Iterator[tuple[str, ProjectSettings]]:
    """The projects of a file; what is wrong with them goes to the problems."""
    for name, node in section.entries.items():
        _check_name("projects", name, section.line_of(name), problems)
        settings = part(node, ProjectSettings, f"projects.{name}", problems)
        if settings is None:
            continue
        wanted = settings.organisation
        if wanted is not None and wanted not in organisations:
            line = _line(node, "organisation")
            fault = f"there is no organisation '{wanted}'{nearest(wanted, organisations)}"
            problems.add(line, f"projects.{name}.organisation: {fault}; add it under 'organisations'")
        yield name, settings


def judge_keys(node: Node | None, projects: list[str], problems: Problems) -> Iterator[KeySettings]:
    """The keys of a file; what is wrong with them goes to the problems."""
    match node:
        case Items() as listed:
            pass
        case None | Leaf(value=None):
            return
        case other:
            problems.add(other.line, "keys: expected a list, each item with 'name' and 'key'")
            return
    names: dict[str, int] = {}
    values: dict[str, str] = {}
    for index, item in enumerate(listed.items):
        key = part(item, KeySettings, f"keys[{index}]", problems)
        if key is None:
            continue
        place = f"keys[{index}] ('{key.name}')"
        for field, fault in _key_faults(key, projects):
            problems.add(_line(item, field), f"{place}: {fault}")
        if key.name in names:
            problems.add(item.line, f"keys[{index}]: the name '{key.name}' is taken in line {names[key.name]}")
        if owner := values.get(key.key.reveal()):
            problems.add(_line(item, "key"), f"{place}: the same key belongs to '{owner}'; give each its own")
        names.setdefault(key.name, item.line)
        values.setdefault(key.key.reveal(), key.name)
        yield key


def _key_faults(key: KeySettings, projects: list[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with each field of one key, by the field's name."""
    if fault := key_fault(key.key.reveal()):
        yield "key", f"the key {fault}"
    if not _LINE_SAFE.fullmatch(key.name):
        yield "name", "the name has a control character"
    if key.project is not None and key.project not in projects:
        hint = f"{nearest(key.project, projects)}; add it under 'projects'"
        yield "project", f"there is no project '{key.project}'{hint}"
    if key.expires is not None and expiry_ns(key.expires) is None:
        yield "expires", "expires: expected a day, such as 2026-12-31, or an instant, such as 2026-12-31T18:00:00Z"
    for one in key.addresses or ():
        if fault := network_fault(one):
            yield "addresses", f"addresses: '{one[:60]}' {fault}"
    if key.addresses == ():
        yield "addresses", "addresses: an empty list would let nobody in; leave it out for everywhere"
    if fault := tags_fault(key.tags):
        yield "tags", f"tags: {fault}"


def _check_name(section: str, name: str, line: int, problems: Problems) -> None:
    if not is_name(name):
        problems.add(line, f"{section}: '{name[:60]}' may hold only letters, digits, '.', '_' and '-', 64 at most")


def _line(node: Node, field: str) -> int:
    return node.line_of(field) if isinstance(node, Fields) else node.line


# --- resolving


def organisation_entry(name: str, settings: OrganisationSettings) -> GroupEntry:
    """An organisation as the doors need it; its id stays the same as long as its name does."""
    return GroupEntry(f"org_file:{name}", name, None, settings.models, limits_of(settings.limits))


def project_entry(name: str, settings: ProjectSettings) -> GroupEntry:
    """A project as the doors need it; its id stays the same as long as its name does."""
    above = f"org_file:{settings.organisation}" if settings.organisation is not None else None
    return GroupEntry(f"proj_file:{name}", name, above, settings.models, limits_of(settings.limits))


def key_entry(settings: KeySettings) -> KeyEntry:
    """A key as the doors need it, without its text; its id stays the same as long as its name does."""
    return KeyEntry(
        f"key_file:{settings.name}",
        settings.name,
        hash_key(settings.key.reveal().encode()).hex(),
        settings.role,
        settings.models,
        f"proj_file:{settings.project}" if settings.project is not None else None,
        limits_of(settings.limits),
        expiry_ns(settings.expires) if settings.expires is not None else None,
        settings.addresses,
        settings.tags,
        Capture(settings.capture),
    )


def limits_of(settings: LimitSettings) -> Limits:
    """Limits in the units they are enforced in."""
    return Limits(
        usd_day=nano_of(settings.budget_usd_per_day),
        usd_month=nano_of(settings.budget_usd_per_month),
        usd_total=nano_of(settings.budget_usd_total),
        requests=settings.requests_per_minute,
        tokens=settings.tokens_per_minute,
        slots=settings.concurrency,
    )
