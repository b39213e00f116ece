"""T59: what belongs to another tenant is answered like an id that never was, everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tenants import Admins, Tenant, two_tenants
from test_routes import TABLE, Route, body_for

Stage = tuple[Admins, Tenant, Tenant]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with two_tenants(Path(tmp_path_factory.mktemp("idor"))) as stage:
        yield stage


def stranger(noun: str) -> str:
    return {"organisations": "org_", "projects": "proj_", "keys": "key_", "calls": "req_"}[noun] + "0123456789ab"


WITH_ID = [one for one in TABLE if "{id}" in one.name]


@pytest.mark.parametrize("who", ["admin", "clerk"])
@pytest.mark.parametrize("route", WITH_ID, ids=lambda route: route.name)
def test_an_id_of_the_other_tenant_is_a_404_like_any_other(stage: Stage, route: Route, who: str) -> None:
    admins, acme, bolt = stage
    noun = route.name.split("/")[1]
    key = getattr(bolt, who)
    told: list[tuple[int, str]] = []
    for id in (acme.ids()[noun], stranger(noun)):
        status, content = admins.ask(route.method, route.path(id), body_for(route), key=key)
        told.append((status, json.dumps(content).replace(id, "ID")))

    assert told[0] == told[1]
    assert told[0][0] == 404


LISTS = [one for one in TABLE if one.method == "GET" and "{" not in one.name and one.confined == "own"]


@pytest.mark.parametrize("who", ["admin", "clerk"])
@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.name)
def test_a_list_has_nothing_of_the_other_tenant(stage: Stage, route: Route, who: str) -> None:
    admins, acme, bolt = stage
    foreign = [*acme.ids().values(), acme.admin_id, acme.clerk_id]
    named = [f"{name}={id}" for name in route.query if name not in ("after", "limit") for id in foreign]
    asked = ["", *named] if route.path() != "/usage" else ["group_by=key&group_by=project&group_by=organisation"]
    seen: list[str] = []
    for query in asked:
        content = json.dumps(admins.ask("GET", f"{route.path()}?{query}", key=getattr(bolt, who))[1])
        seen += [id for id in foreign if id in content.replace(query.partition("=")[2], "")]

    assert seen == []


def test_everybody_sees_what_is_his_own(stage: Stage) -> None:
    admins, acme, bolt = stage
    told = {
        noun: [
            admins.ask("GET", f"/{noun}/{id}", key=key)[0] for key in (acme.admin, acme.clerk, bolt.admin, bolt.clerk)
        ]
        for noun, id in acme.ids().items()
    }

    assert told == {
        "organisations": [200, 404, 404, 404],
        "projects": [200, 200, 404, 404],
        "keys": [200, 200, 404, 404],
        "calls": [200, 200, 404, 404],
    }


def test_usage_and_budgets_are_ones_own(stage: Stage) -> None:
    admins, acme, bolt = stage

    def groups(key: str) -> object:
        return admins.ask("GET", "/usage?group_by=project&since=1970-01-01", key=key)[1]

    def scopes(key: str) -> list[object]:
        data = admins.ask("GET", "/budgets", key=key)[1]["data"]
        assert isinstance(data, list)
        return [one["scope"] for one in data]

    assert scopes(acme.admin) == [acme.key] == scopes(acme.clerk)
    assert scopes(bolt.admin) == [bolt.key]
    assert acme.project not in json.dumps(groups(bolt.admin))
    assert acme.project in json.dumps(groups(acme.admin))
