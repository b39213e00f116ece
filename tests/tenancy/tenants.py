"""Two tenants who share a gateway: an organisation each, with projects, keys, calls, and admins of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness import ADMIN_KEY, until
from test_keeper import Running, record, start_keeper, write
from unigate.journal import Journal

__all__ = ["Admins", "Tenant", "two_tenants"]

Json = dict[str, object]


@dataclass
class Tenant:
    """What one organisation has, by id; `admin` may do everything within it, `clerk` within its project."""

    organisation: str
    project: str
    key: str
    admin_id: str
    admin: str
    clerk_id: str
    clerk: str
    call: str

    def ids(self) -> dict[str, str]:
        """Every id, by the noun whose routes take it."""
        return {
            "organisations": self.organisation,
            "projects": self.project,
            "keys": self.key,
            "calls": self.call,
        }


@dataclass
class Admins:
    """A keeper, and whoever asks it."""

    keeper: Running

    def ask(self, method: str, path: str, body: object = None, *, key: str = ADMIN_KEY) -> tuple[int, Json]:
        """Status and content of one answer."""
        status, _, content = self.keeper.ask(method, "/admin/v1" + path, body, key=key)
        return status, json.loads(content)

    def made(self, path: str, body: object, *, key: str = ADMIN_KEY) -> Json:
        status, content = self.ask("POST", path, body, key=key)
        assert status == 201, content
        return content

    def code(self, method: str, path: str, body: object = None, *, key: str = ADMIN_KEY) -> tuple[int, str]:
        """Status and code of an error."""
        status, content = self.ask(method, path, body, key=key)
        error = content.get("error")
        return status, str(error["code"]) if isinstance(error, dict) else ""

    def tenant(self, name: str) -> Tenant:
        organisation = str(self.made("/organisations", {"name": name})["id"])
        project = str(self.made("/projects", {"name": f"{name}-web", "organisation": organisation})["id"])
        limits = {"budget_usd_total": 5}
        key = str(self.made("/keys", {"name": f"{name}-key", "project": project, "limits": limits})["id"])
        admin = self.made("/keys", {"name": f"{name}-admin", "role": "admin", "confined_to": organisation})
        clerk = self.made("/keys", {"name": f"{name}-clerk", "role": "admin", "confined_to": project})
        texts = (str(admin["id"]), str(admin["key"]), str(clerk["id"]), str(clerk["key"]))
        return Tenant(organisation, project, key, *texts, call=f"req_{name}")


@contextmanager
def two_tenants(folder: Path) -> Iterator[tuple[Admins, Tenant, Tenant]]:
    """A keeper with both, one finished call each."""
    with start_keeper(folder) as keeper:
        admins = Admins(keeper)
        tenants = admins.tenant("acme"), admins.tenant("bolt")
        journal = Journal(keeper.data / "journal" / "door-0-aa")
        for one in tenants:
            told = record(1, key=one.key, name="k", model="m", project=one.project, organisation=one.organisation)
            write(journal, msgspec.structs.replace(told, id=one.call))
        for one in tenants:
            until(lambda one=one: admins.ask("GET", f"/calls/{one.call}")[0] == 200, "the call's row")
        yield admins, *tenants
        journal.close()
