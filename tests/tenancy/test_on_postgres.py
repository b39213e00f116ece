"""Administration with PostgreSQL under it: everything that is made, changed, looked at, ended and taken back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tenants import Admins, Json

from harness import until
from ledger.servers import Database
from test_keeper import record, settings, start_keeper, write
from unigate.journal import Journal
from unigate.secret import Secret

MADE = {"kind": "openai", "api_key": "sk-never-shown-0000000", "base_url": "http://127.0.0.1:9/v1"}


@pytest.fixture
def admins(tmp_path: Path, database: Database) -> Iterator[Admins]:
    """A keeper whose database is PostgreSQL."""
    told = settings(database=Secret(database.url), seals=(Secret("a-secret-of-32-characters-xxxxxx"),))
    with start_keeper(tmp_path, told) as keeper:
        yield Admins(keeper)


def lines(admins: Admins, path: str) -> list[Json]:
    status, content = admins.ask("GET", path)
    assert status == 200 and isinstance(content["data"], list), content
    return content["data"]


def key_of_a_project(admins: Admins) -> tuple[Json, str, str]:
    organisation = str(admins.made("/organisations", {"name": "acme"})["id"])
    project = str(admins.made("/projects", {"name": "web", "organisation": organisation})["id"])
    key = admins.made("/keys", {"name": "a", "project": project, "models": ["x"], "limits": {"budget_usd_total": 5}})
    return key, project, organisation


def test_a_key_is_made_changed_rotated_taken_back_and_revoked(admins: Admins) -> None:
    made, project, _ = key_of_a_project(admins)
    version = lines(admins, "/versions")[0]["number"]
    changed = admins.ask("PATCH", f"/keys/{made['id']}", {"models": ["y"]})[1]
    rotated = admins.ask("POST", f"/keys/{made['id']}/rotate", {"overlap": 0})[1]
    restored = admins.ask("POST", f"/versions/{version}/restore")
    back = admins.ask("GET", f"/keys/{made['id']}")[1]
    ended = admins.ask("DELETE", f"/keys/{made['id']}")[0]
    audited = [line["what"] for line in lines(admins, "/audit")]

    assert (changed["models"], rotated["id"], rotated["key"] != made["key"]) == (["y"], made["id"], True)
    assert (restored[0], back["models"], back["project"]) == (200, ["x"], project)
    assert (ended, admins.code("GET", f"/keys/{made['id']}"), admins.keeper.stored().keys) == (
        200,
        (404, "no_such_id"),
        (),
    )
    assert {"organisation.made", "project.made", "key.made", "key.changed", "key.rotated", "key.revoked"} <= {*audited}


def test_a_call_is_found_and_summed_up(admins: Admins) -> None:
    made, project, organisation = key_of_a_project(admins)
    place = {"key": made["id"], "name": "a", "project": project, "organisation": organisation}
    journal = Journal(admins.keeper.data / "journal" / "door-0-aa")
    write(journal, record(1, at_ns=time.time_ns(), model="m", provider="p", target="t", cost=1_500, **place))
    call = until(lambda: lines(admins, f"/calls?key_id={made['id']}"), "the call's row")[0]
    used = lines(admins, f"/usage?group_by=model&key_id={made['id']}")
    journal.close()

    assert (call["id"], admins.ask("GET", f"/calls/{call['id']}")[0]) == ("req_00000001", 200)
    assert [(one["group"], one["calls"], one["cost_nano"]) for one in used] == [({"model": "m"}, 1, 1_500)]


def test_providers_and_models_are_made_and_ended(admins: Admins) -> None:
    made = admins.ask("PUT", "/providers/made", MADE)[0]
    named = admins.ask("PUT", "/models/team/smart", {"targets": [{"provider": "made", "model": "m"}]})[0]
    listed = [one["name"] for noun in ("providers", "models") for one in lines(admins, f"/{noun}")]
    ended = [admins.ask("DELETE", path)[0] for path in ("/models/team/smart", "/providers/made")]

    assert (made, named, listed, ended) == (200, 200, ["made", "team/smart"], [200, 200])
    assert (lines(admins, "/providers"), lines(admins, "/models")) == ([], [])
