"""Finds the recorded exchanges, and gives each one's answer back as the bytes its provider sent.

The recordings are not part of the project: they lie in the folder named by UNIGATE_TRAFFIC, or in `../shared/traffic`
beside the checkout. Each is one JSON file; the README beside them describes the format.

    for recording in load("anthropic.", "stream"):
        status, headers, body = response_bytes(recording)
        expected = facts()[recording.id]["answer"]
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

__all__ = [
    "FACTS",
    "Json",
    "Kind",
    "Object",
    "Recording",
    "facts",
    "find",
    "load",
    "request_bytes",
    "response_bytes",
    "traffic_folder",
]

CONTENT_TYPES: Mapping[str, str] = {
    "json": "application/json",
    "text": "text/event-stream; charset=utf-8",
    "base64": "application/vnd.amazon.eventstream",
}

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Object = dict[str, Json]
Kind = Literal["stream", "whole", "error"]

HERE = Path(__file__).resolve().parent
FACTS = HERE / "facts.jsonl"


@dataclass(frozen=True)
class Recording:
    """One recorded exchange: what was asked, what came back, and what is known about how it was recorded."""

    id: str
    provider: str
    api: str
    scenario: str
    streamed: bool
    features: tuple[str, ...]
    model: str
    provenance: str
    fidelity: str
    note: str
    method: str
    host: str
    path: str
    request_headers: Mapping[str, str]
    request: Json
    """The parsed body that was sent; None where the recorder did not keep it."""
    status: int
    headers: Mapping[str, str]
    encoding: str
    body: Json

    @property
    def kind(self) -> Kind:
        """An HTTP error, a streamed answer, or a whole one."""
        if self.status >= 400:
            return "error"
        return "stream" if self.streamed else "whole"


def traffic_folder() -> Path:
    """The folder of recordings, whether or not it is there."""
    named = os.environ.get("UNIGATE_TRAFFIC")
    return Path(named) if named else HERE.parents[2] / "shared" / "traffic"


def load(api_prefix: str = "", kind: Kind | None = None) -> Iterator[Recording]:
    """All recordings whose `api` begins so and that are of this kind, in the order of their ids."""
    for path in sorted(traffic_folder().glob(f"{api_prefix}*.json")):
        recording = _read(path)
        if kind in (None, recording.kind):
            yield recording


def find(recording_id: str) -> Recording:
    """The recording of this id; a KeyError if there is none."""
    path = traffic_folder() / f"{recording_id}.json"
    if not path.is_file():
        raise KeyError(recording_id)
    return _read(path)


def response_bytes(recording: Recording) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body of the answer as they were on the wire.

    A body kept as parsed JSON is written compactly, since its white space is lost; a JSON array that was streamed is
    cut between its elements as Google cuts it. A content type the recorder lost is put back; content-length and
    transfer-encoding are left out: framing is the business of whoever replays it.
    """
    headers = {name.lower(): value for name, value in recording.headers.items()}
    headers = {name: value for name, value in headers.items() if name not in ("content-length", "transfer-encoding")}
    headers.setdefault("content-type", CONTENT_TYPES[recording.encoding])
    return recording.status, headers, _body(recording)


def request_bytes(recording: Recording) -> bytes | None:
    """The request's body as compact JSON, or None where it was not kept."""
    return None if recording.request is None else _compact(recording.request)


@cache
def facts() -> dict[str, Object]:
    """The committed facts, read once, by recording id: {"id", "api", "kind", "answer", "request", "odd"?}."""
    lines = FACTS.read_text(encoding="utf-8").splitlines()
    found: dict[str, Object] = {}
    for line in lines:
        fact: Object = json.loads(line)
        found[str(fact["id"])] = fact
    return found


def _body(recording: Recording) -> bytes:
    body = recording.body
    if isinstance(body, str) and recording.encoding == "text":
        return body.encode()
    if isinstance(body, str) and recording.encoding == "base64":
        return base64.b64decode(body, validate=True)
    if isinstance(body, list) and recording.streamed:
        return b"[" + b"\n,\r\n".join(_compact(element) for element in body) + b"\n]"
    return _compact(body)


def _compact(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@cache
def _read(path: Path) -> Recording:
    raw = json.loads(path.read_text(encoding="utf-8"))
    asked, answered = raw["request"], raw["response"]
    return Recording(
        id=raw["id"],
        provider=raw["provider"],
        api=raw["api"],
        scenario=raw["scenario"],
        streamed=raw["stream"],
        features=tuple(raw["features"]),
        model=raw["model"],
        provenance=raw["provenance"],
        fidelity=raw["fidelity"],
        note=raw.get("note", ""),
        method=asked["method"],
        host=asked["host"],
        path=asked["path"],
        request_headers=asked["headers"],
        request=asked["body"],
        status=answered["status"],
        headers=answered["headers"],
        encoding=answered["encoding"],
        body=answered["body"],
    )
