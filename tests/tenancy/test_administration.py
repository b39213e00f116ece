"""What administration does: terms of keys, rotation, the audit log, versions to go back to, pages and searches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tenants import Admins

from harness import until
from test_keeper import NOW, record, settings, start_keeper, write
from unigate.journal import Journal
from unigate.snapshot import GroupEntry, KeyEntry
from unigate.tenancy import Limits

FILE = GroupEntry("proj_file:web", "web", limits=Limits(usd_day=20 * 10**9))


@contextmanager
def administered(folder: Path) -> Iterator[Admins]:
    """A keeper whose configuration file names one project."""
    told = msgspec.structs.replace(settings(), projects=(FILE,))
    with start_keeper(folder, told) as keeper:
        yield Admins(keeper)


@pytest.fixture
def admins(tmp_path: Path) -> Iterator[Admins]:
    with administered(tmp_path) as admins:
        yield admins


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admins]:
    """One for tests that change nothing."""
    with administered(tmp_path_factory.mktemp("untouched")) as admins:
        yield admins


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admins]:
    """One for tests that look only at what they made themselves, under names that no other has."""
    with administered(tmp_path_factory.mktemp("shared")) as admins:
        yield admins


def stored(admins: Admins, id: object) -> KeyEntry:
    """The key of this id, as doors read it."""
    return until(lambda: next((one for one in admins.keeper.stored().keys if one.id == id), None))


def test_a_key_has_the_terms_it_was_made_with(shared: Admins) -> None:
    terms = {
        "project": "proj_file:web",
        "models": ["small"],
        "limits": {"requests_per_minute": 600, "budget_usd_per_day": 0.1},
        "expires": "2030-12-31",
        "addresses": ["10.0.0.0/8"],
        "tags": {"env": "prod"},
        "capture": "full",
    }
    made = shared.made("/keys", {"name": "team-a", **terms})
    seen = shared.ask("GET", f"/keys/{made['id']}")[1]
    entry = stored(shared, made["id"])

    assert {name: seen[name] for name in terms} == {
        **terms,
        "expires": "2031-01-01T00:00:00Z",
        "limits": {
            "requests_per_minute": 600,
            "tokens_per_minute": None,
            "concurrency": None,
            "budget_usd_per_day": 0.1,
            "budget_usd_per_month": None,
            "budget_usd_total": None,
        },
    }
    assert entry.limits == Limits(requests=600, usd_day=100_000_000)
    assert "key" not in seen and entry.hash not in json.dumps(seen)


def test_a_change_touches_what_is_given_and_null_takes_away(shared: Admins) -> None:
    id = shared.made("/keys", {"name": "changed", "models": ["x"], "tags": {"k": "v"}, "expires": "2030-12-31"})["id"]
    shared.ask("PATCH", f"/keys/{id}", {"models": ["y"], "limits": {"concurrency": 5}})
    seen = shared.ask("PATCH", f"/keys/{id}", {"expires": None})[1]

    assert (seen["models"], seen["tags"], seen["expires"]) == (["y"], {"k": "v"}, None)
    assert stored(shared, id).limits == Limits(slots=5)


def test_a_rotated_key_keeps_its_id_and_both_texts_for_a_while(shared: Admins) -> None:
    made = shared.made("/keys", {"name": "ops", "role": "admin"})
    rotated = shared.ask("POST", f"/keys/{made['id']}/rotate", {"overlap": 3600})[1]
    both = [shared.ask("GET", "/keys", key=str(one["key"]))[0] for one in (made, rotated)]
    again = shared.ask("POST", f"/keys/{made['id']}/rotate", {"overlap": 0})[1]
    told = [shared.code("GET", "/keys", key=str(one["key"])) for one in (made, rotated, again)]

    assert rotated["id"] == made["id"] == again["id"]
    assert both == [200, 200]
    assert told == [(401, "invalid_api_key"), (401, "key_expired"), (200, "")]


def test_what_the_file_names_is_seen_and_not_changed(shared: Admins) -> None:
    told = [
        shared.ask("GET", "/projects/proj_file:web")[1]["source"],
        shared.code("PATCH", "/projects/proj_file:web", {"name": "other"}),
        shared.code("DELETE", "/projects/proj_file:web"),
        shared.code("POST", "/projects", {"name": "web"}),
        shared.code("PATCH", "/keys/tests", {"name": "other"}),
        shared.code("POST", "/keys/tests/rotate", {}),
    ]

    assert told == ["file"] + [(409, "named_in_file")] * 5


def test_what_is_in_use_is_not_ended(shared: Admins) -> None:
    organisation = shared.made("/organisations", {"name": "acme"})["id"]
    project = shared.made("/projects", {"name": "api", "organisation": organisation})["id"]
    key = shared.made("/keys", {"name": "used", "project": project})["id"]
    kept = [shared.code("DELETE", path) for path in (f"/organisations/{organisation}", f"/projects/{project}")]
    paths = (f"/keys/{key}", f"/projects/{project}", f"/organisations/{organisation}")
    ended = [shared.ask("DELETE", path)[0] for path in paths]

    assert kept == [(409, "in_use")] * 2
    assert ended == [200] * 3
    assert [shared.ask("GET", path)[0] for path in paths] == [404] * 3


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"expires": "soon"}, "expires"),
        ({"addresses": ["localhost"]}, "addresses"),
        ({"addresses": []}, "addresses"),
        ({"tags": {"a b": "c"}}, "tags"),
        ({"limits": {"requests_per_minute": 0}}, "limits.requests_per_minute"),
        ({"limits": {"budget_usd_total": -1}}, "limits.budget_usd_total"),
        ({"limits": {"budget_usd_total": 1e300}}, "limits.budget_usd_total"),
        ({"limits": {"rpm": 1}}, "limits.rpm"),
        ({"project": "proj_none"}, "project"),
        ({"scopes": ["read"]}, "scopes"),
        ({"confined_to": "proj_file:web"}, "confined_to"),
        ({"role": "admin", "confined_to": "proj_none"}, "confined_to"),
        ({"role": "admin", "scopes": ["root"]}, "scopes.0"),
        ({"capture": "everything"}, "capture"),
        ({"models": ["x" * 501]}, "models.0"),
        ({"models": ["a\0b"]}, "models.0"),
        ({"limits": []}, "limits"),
        ({"name": "a\0b"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": "a\nb"}, "name"),
    ],
)
def test_terms_that_make_no_sense_are_refused_by_name(untouched: Admins, body: dict[str, object], param: str) -> None:
    status, content = untouched.ask("POST", "/keys", {"name": "a", **body})
    error = content["error"]

    assert isinstance(error, dict)
    assert (status, error["code"], error["param"]) == (400, "invalid_value", param)
    assert untouched.keeper.stored().keys == ()


# --- who changed what, and going back


def test_each_change_has_a_line_with_who_did_it_and_no_hash(admins: Admins) -> None:
    root = admins.made("/keys", {"name": "root", "role": "admin"})
    made = admins.made("/keys", {"name": "a"}, key=str(root["key"]))
    admins.ask("PATCH", f"/keys/{made['id']}", {"models": ["x"]}, key=str(root["key"]))
    admins.ask("PATCH", f"/keys/{made['id']}", {"models": ["x"]}, key=str(root["key"]))
    admins.ask("POST", f"/keys/{made['id']}/rotate", {}, key=str(root["key"]))
    admins.ask("DELETE", f"/keys/{made['id']}")
    page = admins.ask("GET", f"/audit?target={made['id']}")[1]["data"]
    text = json.dumps(admins.ask("GET", "/audit")[1]) + json.dumps(admins.ask("GET", "/versions")[1])
    by_root = f"{root['id']} root"

    assert isinstance(page, list)
    assert [(one["what"], one["who"]) for one in page] == [
        ("key.revoked", "admin admin"),
        ("key.rotated", by_root),
        ("key.changed", by_root),
        ("key.made", by_root),
    ]
    assert (page[2]["before"], page[2]["after"]) == ({}, {"models": ["x"]})
    assert str(made["key"]) not in text and "hash" not in text


def test_the_operators_socket_is_the_operator_in_the_audit_log(admins: Admins) -> None:
    admins.keeper.ask("POST", "/admin/v1/keys", {"name": "a"}, key="", sock="cli.sock")
    page = admins.ask("GET", "/audit")[1]["data"]

    assert isinstance(page, list)
    assert [(one["what"], one["who"]) for one in page] == [("key.made", "operator")]


def test_going_back_restores_settings_and_leaves_keys_proved(admins: Admins) -> None:
    project = admins.made("/projects", {"name": "api", "limits": {"budget_usd_total": 5}})["id"]
    kept = admins.made("/keys", {"name": "kept", "project": project, "models": ["x"]})
    gone = admins.made("/keys", {"name": "gone", "project": project})["id"]
    then = newest(admins)
    admins.ask("PATCH", f"/projects/{project}", {"limits": {}, "name": "renamed"})
    admins.ask("PATCH", f"/keys/{kept['id']}", {"models": None})
    admins.ask("POST", f"/keys/{kept['id']}/rotate", {"overlap": 0})
    hashes = [one.hash for one in admins.keeper.stored().keys if one.id == kept["id"]]
    admins.ask("DELETE", f"/keys/{gone}")
    later = admins.made("/keys", {"name": "later"})["id"]
    extra = admins.made("/projects", {"name": "extra"})["id"]
    status, content = admins.ask("POST", f"/versions/{then}/restore")
    stored = admins.keeper.stored()

    assert (status, content["number"]) == (200, newest(admins))
    assert [(one.id, one.name, one.limits) for one in stored.projects] == [
        (project, "api", Limits(usd_total=5 * 10**9))
    ]
    assert {one.id: one.models for one in stored.keys} == {kept["id"]: ("x",), later: None}
    assert [one.hash for one in stored.keys if one.id == kept["id"]] == hashes
    assert extra not in json.dumps(admins.ask("GET", "/projects")[1])
    assert admins.code("POST", f"/versions/{newest(admins)}/restore") == (409, "nothing_differs")
    assert admins.code("POST", "/versions/999/restore") == (404, "no_such_id")


def newest(admins: Admins) -> int:
    data = admins.ask("GET", "/versions?limit=1")[1]["data"]
    assert isinstance(data, list)
    return int(data[0]["number"])


# --- pages and searches


def test_a_long_list_comes_in_pages_once_each(admins: Admins) -> None:
    made = [str(admins.made("/keys", {"name": f"key {n}"})["id"]) for n in range(25)]
    seen: list[str] = []
    after = ""
    while True:
        page = admins.ask("GET", f"/keys?limit=10&search=key{after}")[1]
        data = page["data"]
        assert isinstance(data, list) and len(data) <= 10
        seen += [one["id"] for one in data]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"

    assert seen == made
    assert admins.code("GET", "/keys?after=key_none") == (400, "invalid_value")


def test_a_call_is_found_by_its_facts_and_shown_whole(admins: Admins) -> None:
    journal = Journal(admins.keeper.data / "journal" / "door-0-aa")
    write(journal, record(1, key="key_1", model="a", cost=5), record(2, key="key_2", model="a", status=502, end="x"))
    until(lambda: admins.ask("GET", "/calls/req_00000002")[0] == 200, "the rows")
    journal.close()

    def found(query: str) -> list[str]:
        data = admins.ask("GET", "/calls?" + query)[1]["data"]
        assert isinstance(data, list)
        return [one["id"] for one in data]

    whole = admins.ask("GET", "/calls/req_00000001")[1]
    day = datetime.fromtimestamp(NOW / 1e9, UTC).date()
    morrow = day + timedelta(days=1)

    assert found("key_id=key_1") == ["req_00000001"]
    assert found("status=502") == ["req_00000002"]
    assert found("id=req_00000001") == ["req_00000001"]
    assert found(f"since={day}&until={morrow}&limit=1") == ["req_00000002"]
    assert found(f"since={morrow}") == []
    assert (whole["cost_nano"], whole["attempts"], whole["bodies"]) == (5, [], None)
    assert admins.code("GET", "/calls?nonsense=1") == (400, "invalid_value")
