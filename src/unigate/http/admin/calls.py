"""Calls under /admin/v1/calls: searched, and one of them whole."""

from __future__ import annotations

import base64
from typing import Annotated, Literal

import msgspec
from fastapi import Path, Query
from pydantic import BaseModel, Field

from unigate.admission.admins import Right
from unigate.admission.terms import dollars_of, instant_of
from unigate.errors import Refusal
from unigate.http.admin.access import By, Routes
from unigate.http.admin.shapes import Asked, Page, instant_from
from unigate.storage.calls import CallFilter, CallLine, KeptBody, one_call, page_of_calls
from unigate.storage.registry import Registry

__all__ = ["CallsApi"]


class CallQuery(Asked):
    """Which calls."""

    after: str | None = Field(
        default=None, max_length=250, description="The `next` of the page before · 上一页的 `next`"
    )
    limit: int = Field(default=100, ge=1, le=1000)
    key_id: str | None = Field(default=None, max_length=300, description="`key` would be a credential.")
    project: str | None = Field(default=None, max_length=300)
    organisation: str | None = Field(default=None, max_length=300)
    model: str | None = Field(default=None, max_length=1000)
    provider: str | None = Field(default=None, max_length=100)
    status: int | None = Field(default=None, ge=0, le=999)
    end: str | None = Field(default=None, max_length=100)
    since: str | None = Field(default=None, max_length=60, description="A day (UTC) or RFC 3339 · 日期或时刻")
    until: str | None = Field(default=None, max_length=60, description="A day (UTC) or RFC 3339 · 日期或时刻")
    id: str | None = Field(default=None, max_length=300, description="A whole id: ours, the client's or the upstream's")


class CallShown(BaseModel):
    """A call as it is listed; times are microseconds, null is unknown."""

    id: str = Field(examples=["req_0123456789abcdef"])
    object: Literal["call"] = "call"
    at: str = Field(examples=["2026-11-23T08:00:00Z"])
    at_ns: int
    operation: str = Field(examples=["openai.chat"])
    status: int = Field(examples=[200])
    end: str = Field(description="How it ended: `ok`, `refused`, a kind of fault, `interrupted`, …", examples=["ok"])
    key: str | None = Field(examples=["key_3f9c0d2b7a61"])
    name: str | None = Field(description="The key's name then.", examples=["team-a"])
    project: str | None
    organisation: str | None
    model: str | None = Field(examples=["smart"])
    provider: str | None = Field(examples=["openai"])
    target: str | None = Field(description="The model's name there.", examples=["gpt-4o"])
    streamed: bool
    demo: bool
    total_us: int
    first_byte_us: int | None
    overhead_us: int | None = Field(description="Our own time from the last request byte to the answer's head.")
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cache_write_tokens: int | None
    audio_input_tokens: int | None
    audio_output_tokens: int | None
    estimated: bool = Field(description="Whether the usage was counted by us because nobody told it.")
    cost_usd: float | None
    cost_nano: int | None = Field(description="The same, exactly; null if the price is unknown.")
    price: str | None = Field(description="Which table of prices it was counted by.")
    held_nano: int | None
    flags: list[str]
    error: str | None
    peer: str | None
    client_request_id: str | None
    upstream_request_id: str | None
    dropped: list[str] = Field(description="What a translation had no words for.")


class AttemptShown(BaseModel):
    """An attempt that failed before the answer came from elsewhere."""

    number: int
    provider: str
    target: str
    end: str
    us: int


class BodyShown(BaseModel):
    """What was kept of a body."""

    kind: str
    size: int = Field(description="How long it was; more than the content has if only a part was kept.")
    redacted: bool
    encoding: Literal["utf-8", "base64"]
    content: str


class WholeCallShown(CallShown):
    """Everything that is known of a call."""

    attempts: list[AttemptShown]
    bodies: list[BodyShown] | None = Field(description="Null unless `bodies=true` was asked.")


class CallsApi:
    """The routes of calls."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def add_to(self, routes: Routes) -> None:
        """Adds the routes."""
        routes.add("GET", "/calls", self.list_calls, Right.READ, "Search calls · 查询调用")
        routes.add("GET", "/calls/{id}", self.get_call, Right.READ, "Look at a call · 查看调用")

    def list_calls(self, by: By, asked: Annotated[CallQuery, Query()]) -> Page[CallShown]:
        """Calls, the newest first, by any of their facts. Where they are rare, a page may hold fewer and `next` go on.

        查询调用，最新的在前，可按任意字段筛选。符合条件的很少时，一页可能不满，由 `next` 继续。
        """
        wanted = CallFilter(
            key=asked.key_id,
            project=asked.project,
            organisation=asked.organisation,
            model=asked.model,
            provider=asked.provider,
            status=asked.status,
            end=asked.end,
            since_ns=instant_from(asked.since, "since"),
            until_ns=instant_from(asked.until, "until"),
            some_id=asked.id,
        )
        confined = self._registry.confined(by, wanted)
        if confined is None:
            return Page[CallShown](data=[])
        page = page_of_calls(self._registry.desk.database, confined, cursor=asked.after, limit=asked.limit)
        return Page[CallShown](data=[CallShown.model_validate(_facts(one)) for one in page.calls], next=page.next)

    def get_call(
        self,
        by: By,
        id: Annotated[str, Path(max_length=300)],
        bodies: Annotated[bool, Query(description="Also what was said; needs the scope `bodies` · 含正文")] = False,
    ) -> WholeCallShown:
        """One call with its attempts and, if asked, what was kept of its bodies.

        查看一次调用及其各次尝试；需要时含保留的正文。
        """
        if bodies:
            by.need(Right.BODIES)
        found = one_call(self._registry.desk.database, id)
        if found is None or not self._registry.may_see(by, found.line.project, found.line.organisation):
            raise Refusal(404, "no_such_id", f"There is no call with the id '{id}'.")
        attempts = [msgspec.structs.asdict(one) for one in found.attempts]
        kept = [_body(one) for one in found.bodies] if bodies else None
        return WholeCallShown.model_validate({**_facts(found.line), "attempts": attempts, "bodies": kept})


def _facts(line: CallLine) -> dict[str, object]:
    return {
        **msgspec.structs.asdict(line),
        "at": instant_of(line.at_ns),
        "cost_usd": dollars_of(line.cost_nano),
        "flags": line.flags.split(),
        "dropped": line.dropped.split("\n") if line.dropped else [],
    }


def _body(body: KeptBody) -> dict[str, object]:
    try:
        content, encoding = body.content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        content, encoding = base64.b64encode(body.content).decode("ascii"), "base64"
    return {
        "kind": body.kind,
        "size": body.size,
        "redacted": body.redacted,
        "encoding": encoding,
        "content": content,
    }
