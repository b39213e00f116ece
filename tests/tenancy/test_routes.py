"""T58: each role, route and field does what the documentation's table says, and a new one without a line fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tenants import Admins, Tenant, two_tenants

from harness import ADMIN_KEY

DOCS = Path(__file__).parents[2] / "docs"
RIGHTS = ("read", "keys", "settings", "bodies")
ALSO_NEEDS = {"POST /versions/{number}/restore": "keys"}


class Route(NamedTuple):
    """One line of the table."""

    name: str
    right: str
    confined: str
    query: tuple[str, ...]
    fields: tuple[str, ...]

    @property
    def method(self) -> str:
        return self.name.partition(" ")[0]

    def path(self, id: str = "x") -> str:
        return re.sub(r"\{number\}", "1", self.name.partition(" ")[2]).replace("{id}", id).replace("{name}", id)


def table(page: str) -> list[Route]:
    rows = re.findall(r"^\| `((?:GET|POST|PATCH|PUT|DELETE) [^`]+)` \|(.+)\|$", (DOCS / page).read_text("utf-8"), re.M)
    cells = [(name, [cell.strip() for cell in rest.split("|")]) for name, rest in rows]
    return [
        Route(name, c[0].strip("`"), c[1], *(tuple(re.findall(r"`(\w+)`", one)) for one in c[2:4])) for name, c in cells
    ]


TABLE = table("admin-api.md")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Admins, Tenant, Tenant]]:
    with two_tenants(tmp_path_factory.mktemp("routes")) as stage:
        yield stage


def served(admins: Admins) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    """What the running keeper says that it serves."""
    document = json.loads(admins.keeper.ask("GET", "/openapi.json", key="")[2])
    schemas = document["components"]["schemas"]
    found: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = []
    for path, item in document["paths"].items():
        for method, told in item.items() if path.startswith("/admin/") else ():
            body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            names = re.findall(r"#/components/schemas/(\w+)", json.dumps(body))
            fields = [field for name in names for field in schemas[name]["properties"]]
            query = [one["name"] for one in told.get("parameters", []) if one["in"] == "query"]
            name = f"{method.upper()} {path.removeprefix('/admin/v1')}"
            found.append((name, told["x-unigate-scope"], tuple(sorted(query)), tuple(sorted(fields))))
    return found


@pytest.mark.parametrize("page", ["admin-api.md", "admin-api.zh.md"])
def test_the_table_has_exactly_the_routes_scopes_and_fields_there_are(
    stage: tuple[Admins, Tenant, Tenant], page: str
) -> None:
    told = sorted((one.name, one.right, one.query, one.fields) for one in table(page))

    assert told == sorted(served(stage[0]))


def body_for(route: Route) -> object:
    """A body that is well-formed, so that what is refused is refused for the right."""
    if not route.fields:
        return None
    if "targets" in route.fields:
        return {"targets": [{"provider": "mock", "model": "x"}]}
    return {"name": "scratch"} if route.method == "POST" and "name" in route.fields else {}


@pytest.mark.parametrize("right", RIGHTS)
def test_each_right_opens_its_routes_and_no_other(stage: tuple[Admins, Tenant, Tenant], right: str) -> None:
    admins = stage[0]
    key = str(admins.made("/keys", {"name": f"only-{right}", "role": "admin", "scopes": [right]})["key"])
    verdicts = {
        route.name: admins.code(route.method, route.path("random"), body_for(route), key=key) for route in TABLE
    }
    opened = {name for name, (status, _) in verdicts.items() if status != 403}

    assert opened == {one.name for one in TABLE if one.right == right and one.name not in ALSO_NEEDS}
    assert {verdicts[name][1] for name in verdicts if name not in opened} <= {"not_allowed"}


def test_a_confined_key_gets_its_own_part_or_a_403(stage: tuple[Admins, Tenant, Tenant]) -> None:
    admins, acme, _ = stage
    refused = {
        route.name
        for route in TABLE
        if admins.code(
            route.method,
            route.path(acme.organisation if route.name.startswith(("PATCH /org", "DELETE /org")) else "random"),
            body_for(route),
            key=acme.admin,
        )[0]
        == 403
    }
    not_its_own = {one.name for one in TABLE if one.confined == "no"}

    assert refused == not_its_own | {"POST /keys"}  # a key of its own must name a project within


NOBODY_MAY_WRITE = ("id", "object", "hash", "old_hash", "key", "source", "created", "created_ns", "confined", "spent")


@pytest.mark.parametrize("route", [one for one in TABLE if one.fields], ids=lambda route: route.name)
def test_no_field_can_be_written_but_those_of_the_table(stage: tuple[Admins, Tenant, Tenant], route: Route) -> None:
    admins, acme, _ = stage
    ids = acme.ids()
    path = route.path(ids.get(route.name.split("/")[1], "x"))
    body = body_for(route)
    assert isinstance(body, dict)
    others = {field for one in TABLE for field in one.fields} - set(route.fields)
    before = admins.ask("GET", path.removesuffix("/rotate"))[1] if "{id}" in route.name else None
    verdicts = {
        field: admins.code(route.method, path, {**body, field: "x"}) for field in (*NOBODY_MAY_WRITE, *sorted(others))
    }

    assert {field: told for field, told in verdicts.items() if told != (400, "invalid_value")} == {}
    if before is not None:
        assert admins.ask("GET", path.removesuffix("/rotate"))[1] == before


# --- nobody gives what he does not have


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"scopes": ["keys"]}, 201),
        ({"scopes": ["keys", "read"]}, 403),
        ({"scopes": ["keys", "settings"]}, 403),
        ({}, 403),
    ],
)
def test_an_admin_key_makes_none_that_may_do_more(
    stage: tuple[Admins, Tenant, Tenant], more: dict[str, object], status: int
) -> None:
    admins = stage[0]
    name = f"maker-{len(str(more))}-{status}"
    key = str(admins.made("/keys", {"name": name, "role": "admin", "scopes": ["keys"]})["key"])

    assert admins.ask("POST", "/keys", {"name": name + "-made", "role": "admin", **more}, key=key)[0] == status


def test_an_admin_key_takes_over_none_that_may_do_more(stage: tuple[Admins, Tenant, Tenant]) -> None:
    admins = stage[0]
    weak = str(admins.made("/keys", {"name": "weak", "role": "admin", "scopes": ["keys", "read"]})["key"])
    strong = str(admins.made("/keys", {"name": "strong", "role": "admin"})["id"])
    tries = [
        admins.code("POST", f"/keys/{strong}/rotate", {}, key=weak),
        admins.code("PATCH", f"/keys/{strong}", {"name": "mine"}, key=weak),
        admins.code("DELETE", f"/keys/{strong}", key=weak),
    ]

    assert tries == [(403, "not_allowed")] * 3


def test_a_confined_admin_stays_within_and_below_its_limits(stage: tuple[Admins, Tenant, Tenant]) -> None:
    admins, acme, bolt = stage
    own, outside = {"name": "inner", "project": acme.project}, {"name": "outer", "project": bolt.project}
    no_limits = {"limits": {"budget_usd_total": 1000}}
    told = {
        "a key within": admins.ask("POST", "/keys", own, key=acme.admin)[0],
        "a key elsewhere": admins.ask("POST", "/keys", outside, key=acme.admin)[0],
        "a free admin": admins.ask("POST", "/keys", {**own, "name": "free", "role": "admin"}, key=acme.admin)[0],
        "an admin elsewhere": admins.ask(
            "POST", "/keys", {**own, "name": "spy", "role": "admin", "confined_to": bolt.organisation}, key=acme.admin
        )[0],
        "moving a key out": admins.ask("PATCH", f"/keys/{acme.key}", {"project": bolt.project}, key=acme.admin)[0],
        "freeing a key": admins.ask("PATCH", f"/keys/{acme.key}", {"project": None}, key=acme.admin)[0],
        "its organisation's limits": admins.ask(
            "PATCH", f"/organisations/{acme.organisation}", no_limits, key=acme.admin
        )[0],
        "its project's limits": admins.ask("PATCH", f"/projects/{acme.project}", no_limits, key=acme.clerk)[0],
        "a project's limits, from above": admins.ask("PATCH", f"/projects/{acme.project}", no_limits, key=acme.admin)[
            0
        ],
        "moving a project out": admins.ask(
            "PATCH", f"/projects/{acme.project}", {"organisation": bolt.organisation}, key=acme.admin
        )[0],
        "freeing a project": admins.ask("PATCH", f"/projects/{acme.project}", {"organisation": None}, key=acme.admin)[
            0
        ],
        "a project of one's own": admins.ask("POST", "/projects", {"name": "acme-two"}, key=acme.admin)[0],
    }

    assert told == {
        "a key within": 201,
        "a key elsewhere": 400,
        "a free admin": 403,
        "an admin elsewhere": 403,
        "moving a key out": 400,
        "freeing a key": 403,
        "its organisation's limits": 403,
        "its project's limits": 403,
        "a project's limits, from above": 200,
        "moving a project out": 400,
        "freeing a project": 403,
        "a project of one's own": 201,
    }


def test_having_bodies_kept_needs_the_right_to_see_them(stage: tuple[Admins, Tenant, Tenant]) -> None:
    admins, acme, _ = stage
    key = str(admins.made("/keys", {"name": "no-bodies", "role": "admin", "scopes": ["keys", "read"]})["key"])
    told = [
        admins.code("POST", "/keys", {"name": "curious", "capture": "full"}, key=key),
        admins.code("PATCH", f"/keys/{acme.key}", {"capture": "redacted"}, key=key),
        admins.code("GET", f"/calls/{acme.call}?bodies=true", key=key),
        admins.code("GET", f"/calls/{acme.call}?bodies=true", key=ADMIN_KEY),
    ]

    assert told == [(403, "not_allowed")] * 3 + [(200, "")]
