"""Organisations, projects and keys of the configuration file: what they mean, and each mistake at its line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from unigate.admission.keys import hash_key
from unigate.admission.terms import expiry_ns
from unigate.config_file import load_config, load_table, resolve
from unigate.errors import ConfigError
from unigate.snapshot import GroupEntry, KeyEntry
from unigate.tenancy import Capture, Limits

GOOD_KEY = "sk-ug-9f3KqWm27ZtRbV5x"


def refused(text: str) -> list[str]:
    """Every problem of a file, as `line: reason`."""
    with pytest.raises(ConfigError) as caught:
        load_config(text, "f.yaml", {})
    return [str(problem).removeprefix("f.yaml:") for problem in caught.value.problems]


def test_who_shares_what_is_resolved_with_ids_that_stay() -> None:
    text = f"""
organisations:
  acme: {{limits: {{budget_usd_per_month: 500}}}}
projects:
  web: {{organisation: acme, limits: {{budget_usd_per_day: 0.1, concurrency: 50}}, models: [small]}}
  lone: {{}}
keys:
  - name: prod
    key: {GOOD_KEY}
    project: web
    limits: {{requests_per_minute: 600, tokens_per_minute: 90000, budget_usd_total: 1.25}}
    expires: 2030-12-31
    addresses: [10.0.0.0/8, "::1"]
    tags: {{env: prod}}
    capture: none
"""
    settings = resolve(load_config(text, "f.yaml", {}), load_table(), data="d", logs="l", log_level="info")

    assert settings.organisations == (GroupEntry("org_file:acme", "acme", limits=Limits(usd_month=500 * 10**9)),)
    assert settings.projects == (
        GroupEntry("proj_file:web", "web", "org_file:acme", ("small",), Limits(usd_day=100_000_000, slots=50)),
        GroupEntry("proj_file:lone", "lone"),
    )
    assert settings.keys == (
        KeyEntry(
            id="key_file:prod",
            name="prod",
            hash=hash_key(GOOD_KEY.encode()).hex(),
            project="proj_file:web",
            limits=Limits(requests=600, tokens=90_000, usd_total=1_250_000_000),
            expires_ns=1_924_992_000 * 10**9,  # 2031-01-01T00:00:00Z
            addresses=("10.0.0.0/8", "::1"),
            tags={"env": "prod"},
            capture=Capture.NONE,
        ),
    )


@pytest.mark.parametrize(
    ("dollars", "nano"),
    [
        ("0", 0),
        ("1", 10**9),
        ("0.1", 10**8),
        ("0.000000001", 1),
        ("19.99", 19_990_000_000),
        ("999999999", 999999999 * 10**9),
    ],
)
def test_dollars_are_read_exactly(dollars: str, nano: int) -> None:
    text = f"organisations: {{a: {{limits: {{budget_usd_total: {dollars}}}}}}}"
    settings = resolve(load_config(text, "f.yaml", {}), load_table(), data="d", logs="l", log_level="info")

    assert settings.organisations[0].limits.usd_total == nano


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("2030-12-31", datetime(2031, 1, 1, tzinfo=UTC)),
        ("2030-12-31T18:00:00Z", datetime(2030, 12, 31, 18, tzinfo=UTC)),
        ("2030-12-31T18:00:00+08:00", datetime(2030, 12, 31, 10, tzinfo=UTC)),
    ],
)
def test_a_key_expires_after_its_last_day_or_at_its_instant(text: str, ends: datetime) -> None:
    assert expiry_ns(text) == int(ends.timestamp()) * 10**9


@pytest.mark.parametrize("text", ["tomorrow", "2030-13-01", "2030-12-31T18:00:00", "9999-12-31", "20301231", ""])
def test_what_is_no_instant_is_none(text: str) -> None:
    assert expiry_ns(text) is None


def key(more: str) -> str:
    return f"keys:\n  - {{name: a, key: {GOOD_KEY}, {more}}}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "organisations:\n  acme: {}\nprojects:\n  web:\n    organisation: amce",
            "5: projects.web.organisation: there is no organisation 'amce'; nearest: 'acme'; "
            "add it under 'organisations'",
        ),
        (
            "projects: {web: {}}\n" + key("project: wep"),
            "3: keys[0] ('a'): there is no project 'wep'; nearest: 'web'; add it under 'projects'",
        ),
        (key("limits: {rpm: 1}"), "2: keys[0].limits: unknown field 'rpm'"),
        (
            key("limits: {budget_usd: 1}"),
            "2: keys[0].limits: unknown field 'budget_usd'; "
            "nearest: 'budget_usd_total', 'budget_usd_per_day', 'budget_usd_per_month'",
        ),
        (
            key("limits: {requests_per_minute: 0}"),
            "2: keys[0].limits.requests_per_minute: expected a whole number from 1 to 1000000000",
        ),
        (
            key("limits: {budget_usd_total: -1}"),
            "2: keys[0].limits.budget_usd_total: expected a number from 0 to 1000000000",
        ),
        (
            key("expires: soon"),
            "2: keys[0] ('a'): expires: expected a day, such as 2026-12-31, "
            "or an instant, such as 2026-12-31T18:00:00Z",
        ),
        (
            key("addresses: [localhost]"),
            "2: keys[0] ('a'): addresses: 'localhost' is neither an address nor a network; "
            "write 10.0.0.7 or 10.0.0.0/8",
        ),
        (
            key("addresses: [10.1.2.3/8]"),
            "2: keys[0] ('a'): addresses: '10.1.2.3/8' names an address within a network; write 10.0.0.0/8",
        ),
        (
            key("addresses: []"),
            "2: keys[0] ('a'): addresses: an empty list would let nobody in; leave it out for everywhere",
        ),
        (
            key("tags: {'a b': c}"),
            "2: keys[0] ('a'): tags: 'a b' may hold only letters, digits, '.', '_' and '-', 64 at most",
        ),
        (
            key("capture: all"),
            "2: keys[0].capture: expected 'full' or 'metadata' or 'none' or 'redacted'",
        ),
        (
            "projects: {'a/b': {}}",
            "1: projects: 'a/b' may hold only letters, digits, '.', '_' and '-', 64 at most",
        ),
        ("projects: [web]", "1: projects: expected a mapping of names to values"),
        (
            "server: {trusted_proxies: [proxy]}",
            "1: server.trusted_proxies[0]: 'proxy' is neither an address nor a network; write 10.0.0.7 or 10.0.0.0/8",
        ),
    ],
)  # fmt: skip
def test_each_mistake_is_named_at_its_line(text: str, problem: str) -> None:
    assert refused(text) == [problem]
