"""Keys under /admin/v1/keys: listed, made, changed, rotated, revoked."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import Path, Query
from pydantic import BaseModel, Field

from unigate.admission.addresses import network_fault
from unigate.admission.admins import Right
from unigate.admission.terms import expiry_ns, instant_of, tags_fault
from unigate.errors import Refusal
from unigate.http.admin.access import By, Routes
from unigate.http.admin.shapes import (
    NAME,
    After,
    Count,
    Ended,
    LimitsShape,
    ModelName,
    Page,
    Search,
    Written,
    limits_from,
    page_of,
    shown_limits,
)
from unigate.snapshot import KeyEntry
from unigate.storage.key_office import NewKey
from unigate.storage.keys import KeptKey
from unigate.storage.registry import Registry
from unigate.tenancy import Capture

__all__ = ["KeysApi"]

_LONGEST_OVERLAP = 30 * 86400
_USUAL_OVERLAP = 86400
_SECOND = 1_000_000_000

_Id = Annotated[str, Path(max_length=300, description="The key's id · 密钥编号")]
_Role = Literal["client", "admin"]
_Capture = Literal["none", "metadata", "redacted", "full"]
_Scope = Literal["read", "keys", "settings", "bodies"]


class Key(BaseModel):
    """A key as it is listed."""

    id: str = Field(examples=["key_3f9c0d2b7a61"])
    object: Literal["key"] = "key"
    name: str = Field(examples=["team-a"])
    role: _Role
    project: str | None = Field(description="The id of its project.", examples=["proj_5d1f00aa93c2"])
    models: list[str] | None = Field(description="Names the key may call; null for all.", examples=[None])
    limits: LimitsShape
    expires: str | None = Field(description="The instant it ends; null for never.", examples=["2030-12-31T18:00:00Z"])
    addresses: list[str] | None = Field(description="Where it may be used from; null for everywhere.", examples=[None])
    tags: dict[str, str] = Field(examples=[{"env": "prod"}])
    capture: _Capture = Field(description="How much of its calls is kept.")
    scopes: list[_Scope] | None = Field(description="Of an admin key: what it may do; null for all.", examples=[None])
    confined_to: str | None = Field(description="Of an admin key: the organisation or project that is all it sees.")
    replaced_until: str | None = Field(description="After a rotation: until when the former text works too.")
    source: Literal["store", "file"] = Field(description="`file`: named in the configuration file, read-only here.")
    created: int | None = Field(description="Seconds since 1970; null for keys of the file.", examples=[1764000000])


class MadeKey(Key):
    """A key that was just made or rotated."""

    key: str = Field(description="The key itself, shown this once.", examples=["sk-ug-…"])


class _Terms(Written):
    """What making and changing a key have in common."""

    project: str | None = Field(
        None, max_length=300, description="The id of a project.", examples=["proj_5d1f00aa93c2"]
    )
    models: list[ModelName] | None = Field(
        None, max_length=1000, description="Names it may call; all if left out.", examples=[["gpt-3.5-turbo"]]
    )
    limits: LimitsShape = LimitsShape()
    expires: str | None = Field(
        None, max_length=60, description="Its last day (UTC), or an RFC 3339 instant.", examples=["2030-12-31"]
    )
    addresses: list[Annotated[str, Field(max_length=60)]] | None = Field(
        None, min_length=1, max_length=100, description="Addresses and networks (CIDR).", examples=[["10.0.0.0/8"]]
    )
    tags: dict[str, str] = Field({}, examples=[{"env": "prod"}])
    capture: _Capture = Field("metadata", description="`redacted` and `full` need the scope `bodies`.")
    scopes: list[_Scope] | None = Field(
        default=None, description="Of an admin key; none that you lack.", examples=[None]
    )
    confined_to: str | None = Field(default=None, max_length=300, description="Of an admin key.", examples=[None])


class KeyToMake(_Terms):
    """What a new key is to be."""

    name: str = Field(min_length=1, max_length=200, pattern=NAME, description="Who uses it.", examples=["team-a"])
    role: _Role = Field("client", description="`admin` may also change settings.")


class KeyChange(_Terms):
    """What is to be different; what is left out stays."""

    name: str | None = Field(default=None, min_length=1, max_length=200, pattern=NAME, examples=["team-a"])


class Rotation(Written):
    """How long the former text goes on working."""

    overlap: int = Field(default=_USUAL_OVERLAP, ge=0, le=_LONGEST_OVERLAP, description="Seconds; 0 ends it at once.")


class KeysApi:
    """The routes of keys."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def add_to(self, routes: Routes) -> None:
        """Adds the routes."""
        add = routes.add
        add("GET", "/keys", self.list_keys, Right.READ, "List keys · 列出密钥")
        add("POST", "/keys", self.make_key, Right.KEYS, "Make a key · 新建密钥", status=201)
        add("GET", "/keys/{id}", self.get_key, Right.READ, "Look at a key · 查看密钥")
        add("PATCH", "/keys/{id}", self.change_key, Right.KEYS, "Change a key · 修改密钥")
        add("POST", "/keys/{id}/rotate", self.rotate_key, Right.KEYS, "Rotate a key · 轮换密钥")
        add("DELETE", "/keys/{id}", self.revoke_key, Right.KEYS, "Revoke a key · 吊销密钥")

    # FastAPI runs plain functions in threads, which is where a database belongs; their docstrings become the document.

    def list_keys(
        self,
        by: By,
        after: After = None,
        limit: Count = 100,
        search: Search = None,
        project: Annotated[str | None, Query(max_length=300)] = None,
    ) -> Page[Key]:
        """Keys, without their texts, which are kept nowhere; those of the file first, then the oldest first.

        列出密钥（先列配置文件中的，再按时间先后）；密钥原文不保存，无法再次查看。
        """
        projects = self._registry.projects()
        part = search.casefold() if search is not None else ""
        lines = [
            line
            for line in self._registry.key_lines()
            if by.sees_key(line.entry, projects)
            and (project is None or line.entry.project == project)
            and (not part or part in line.entry.name.casefold() or part in line.entry.id)
        ]
        page, following = page_of(lines, lambda line: line.entry.id, after, limit)
        return Page[Key](data=[_shown(line) for line in page], next=following)

    def get_key(self, by: By, id: _Id) -> Key:
        """One key, without its text.

        查看一个密钥，不含原文。
        """
        projects = self._registry.projects()
        line = next((line for line in self._registry.key_lines() if line.entry.id == id), None)
        if line is None or not by.sees_key(line.entry, projects):
            raise Refusal(404, "no_such_id", f"There is no key with the id '{id}'.")
        return _shown(line)

    def make_key(self, by: By, wanted: KeyToMake) -> MadeKey:
        """Makes a key and shows its text this once; the doors accept it within a second.

        新建密钥，原文只在此次返回；一秒之内即可使用。
        """
        entry = _with_terms(KeyEntry("", wanted.name, "", wanted.role), wanted, set(KeyToMake.model_fields))
        if (
            by.confined is not None
            and by.confined in self._registry.projects()
            and "project" not in wanted.model_fields_set
        ):
            entry = msgspec.structs.replace(entry, project=by.confined)
        return _made(self._registry.keys.make(by, entry))

    def change_key(self, by: By, id: _Id, wanted: KeyChange) -> Key:
        """Changes what is given and leaves the rest; the doors follow within two seconds.

        只修改给出的字段，两秒之内生效。
        """

        def edit(entry: KeyEntry) -> KeyEntry:
            if wanted.name is not None:
                entry = msgspec.structs.replace(entry, name=wanted.name)
            return _with_terms(entry, wanted, wanted.model_fields_set)

        return _shown(self._registry.keys.change(by, id, edit))

    def rotate_key(self, by: By, id: _Id, wanted: Rotation | None = None) -> MadeKey:
        """Gives a key a new text, shown this once; the former text works until the overlap has passed.

        为密钥换新的原文（只在此次返回）；旧原文在重叠期内仍然有效，花费与限额不变。
        """
        return _made(self._registry.keys.rotate(by, id, wanted.overlap if wanted is not None else _USUAL_OVERLAP))

    def revoke_key(self, by: By, id: _Id) -> Ended:
        """Ends a key for good; the doors refuse it within two seconds. A key of the configuration file is a 409.

        永久吊销密钥，两秒之内生效；配置文件中的密钥不能在此吊销（409）。
        """
        return Ended(id=self._registry.keys.revoke(by, id).id, object="key")


def _with_terms(entry: KeyEntry, wanted: _Terms, given: set[str]) -> KeyEntry:
    """An entry with those of its terms that were given. Raises Refusal (400)."""
    terms: dict[str, object] = {
        "project": wanted.project,
        "models": tuple(wanted.models) if wanted.models is not None else None,
        "limits": limits_from(wanted.limits),
        "expires": _expiry(wanted.expires),
        "addresses": _addresses(wanted.addresses),
        "tags": _tags(wanted.tags),
        "capture": Capture(wanted.capture),
        "scopes": tuple(sorted(set(wanted.scopes))) if wanted.scopes is not None else None,
        "confined_to": wanted.confined_to,
    }
    if entry.role != "admin" and (wanted.scopes is not None or wanted.confined_to is not None):
        param = "scopes" if wanted.scopes is not None else "confined_to"
        raise Refusal(400, "invalid_value", "Only an admin key has scopes and may be confined.", param=param)
    names = {"expires": "expires_ns", "confined_to": "confined"}
    changes = {names.get(name, name): value for name, value in terms.items() if name in given}
    return msgspec.structs.replace(entry, **changes)


def _expiry(text: str | None) -> int | None:
    if text is None:
        return None
    instant = expiry_ns(text)
    if instant is None:
        reason = "Expected a day, such as 2030-12-31, or an instant, such as 2030-12-31T18:00:00Z."
        raise Refusal(400, "invalid_value", reason, param="expires")
    return instant


def _addresses(written: list[str] | None) -> tuple[str, ...] | None:
    for one in written or ():
        if fault := network_fault(one):
            raise Refusal(400, "invalid_value", f"'{one}' {fault}.", param="addresses")
    return tuple(written) if written is not None else None


def _tags(tags: dict[str, str]) -> dict[str, str]:
    if fault := tags_fault(tags):
        raise Refusal(400, "invalid_value", f"The tags cannot be used: {fault}.", param="tags")
    return tags


def _made(made: NewKey) -> MadeKey:
    return MadeKey(**_shown(made.kept).model_dump(), key=made.text)


def _shown(line: KeptKey) -> Key:
    entry = line.entry
    return Key.model_validate(
        {
            "id": entry.id,
            "name": entry.name,
            "role": entry.role,
            "project": entry.project,
            "models": entry.models,
            "limits": shown_limits(entry.limits),
            "expires": instant_of(entry.expires_ns) if entry.expires_ns is not None else None,
            "addresses": entry.addresses,
            "tags": entry.tags,
            "capture": entry.capture.value,
            "scopes": entry.scopes,
            "confined_to": entry.confined,
            "replaced_until": instant_of(entry.old_until_ns) if entry.old_until_ns is not None else None,
            "source": "store" if line.created_ns else "file",
            "created": line.created_ns // _SECOND or None,
        }
    )
