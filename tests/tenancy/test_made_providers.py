"""Providers and models that administration makes: they serve calls, and their credentials are nowhere to be read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest

from gateways import UPSTREAM_KEY, Gateway, clean_environment, free_port, kill_group, start_gateway
from harness import Wire, until
from unigate.admission.admins import OPERATOR
from unigate.clock import wall
from unigate.config import ServerSettings
from unigate.dialects.openai_chat.dialect import CHAT
from unigate.price_file import load_prices
from unigate.secret import Secret
from unigate.snapshot import RouteEntry, Settings, Stored, build_snapshot
from unigate.snapshot_file import SnapshotFile
from unigate.storage.body_rows import redactor_of
from unigate.storage.change import Named
from unigate.storage.opening import open_database
from unigate.storage.registry import Registry
from unigate.storage.store import Store
from unigate.target import Endpoint, Provider

OLD, NEW = Secret("old-secret-of-32-characters-xxxx"), Secret("new-secret-of-32-characters-xxxx")
PROVIDER = Provider(
    name="made",
    endpoints=(Endpoint(base_url="http://127.0.0.1:9/v1", speaks=("openai.chat",)),),
    key=Secret("sk-very-secret-credential"),
    set={"stream": msgspec.Raw(b"true")},
)
BASE = Settings(server=ServerSettings(), providers=())


def registry(folder: Path, *seals: Secret) -> Registry:
    store = Store(open_database(None, folder), wall)
    return Registry(store, SnapshotFile(folder / "snapshot.json"), Named(), seals, load_prices)


def at_the_door(folder: Path, *seals: Secret) -> dict[str, Provider]:
    """The providers of a door that reads the snapshot file."""
    stored = SnapshotFile(folder / "snapshot.json").read_if_changed(Stored.with_keys) or Stored()
    settings = msgspec.structs.replace(BASE, seals=seals)
    return dict(build_snapshot(settings, stored).catalog.providers)


def test_a_door_has_the_provider_and_no_file_its_credential(tmp_path: Path) -> None:
    registry(tmp_path, OLD).providers.put_provider(OPERATOR, PROVIDER)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())

    assert at_the_door(tmp_path, OLD) == {"made": PROVIDER}
    assert b"very-secret" not in content and b"made" in content


def test_with_another_key_it_is_left_out_and_told(tmp_path: Path) -> None:
    registry(tmp_path, OLD).providers.put_provider(OPERATOR, PROVIDER)
    other = registry(tmp_path, NEW)
    other.follow()

    assert at_the_door(tmp_path, NEW) == {}
    assert list(other.added.broken) == ["made"] and "UNIGATE_SECRET_OLD" in other.added.broken["made"]


def test_a_new_key_seals_everything_anew_while_the_old_one_is_there(tmp_path: Path) -> None:
    registry(tmp_path, OLD).providers.put_provider(OPERATOR, PROVIDER)
    registry(tmp_path, NEW, OLD).follow()

    assert at_the_door(tmp_path, NEW) == {"made": PROVIDER}


def test_an_unchanged_provider_stays_the_same_object(tmp_path: Path) -> None:
    office = registry(tmp_path, OLD)
    office.providers.put_provider(OPERATOR, PROVIDER)
    settings = msgspec.structs.replace(BASE, seals=(OLD,))
    first = build_snapshot(settings, office.stored)
    again = build_snapshot(settings, office.stored, 0, first.added)

    assert first.catalog.providers["made"] is again.catalog.providers["made"]


def test_a_route_without_an_openable_target_is_no_route(tmp_path: Path) -> None:
    office = registry(tmp_path, OLD)
    office.providers.put_provider(OPERATOR, PROVIDER)
    office.providers.put_route(OPERATOR, RouteEntry("smart", "ordered", (("made", "m", 1),)))
    snapshots = [build_snapshot(msgspec.structs.replace(BASE, seals=(key,)), office.stored) for key in (OLD, NEW)]

    assert [[model.id for model in one.catalog.models()] for one in snapshots] == [["smart"], []]


def test_a_door_knows_the_prices_at_a_made_provider(tmp_path: Path) -> None:
    office = registry(tmp_path, OLD)
    office.providers.put_provider(OPERATOR, msgspec.structs.replace(PROVIDER, prices="azure"))
    stored = SnapshotFile(tmp_path / "snapshot.json").read_if_changed(Stored.with_keys) or Stored()
    snapshot = build_snapshot(msgspec.structs.replace(BASE, seals=(OLD,)), stored, wall())
    way = snapshot.catalog.ways("made/gpt-4o", CHAT, has_tools=False, random=Random(1))[0]
    office.providers.end_provider(OPERATOR, "made")

    assert way.target.price is not None
    assert (set(stored.sections), office.stored.sections) == ({"azure", "openai"}, {})


def test_its_credential_is_blackened_in_bodies_also_after_its_end(tmp_path: Path) -> None:
    office = registry(tmp_path, OLD)
    redactor = redactor_of(BASE, lambda: office.stored, lambda: office.added)
    shown = [redactor.body(b"I know plain-credential-1")]
    office.providers.put_provider(OPERATOR, msgspec.structs.replace(PROVIDER, key=Secret("plain-credential-1")))
    shown.append(redactor.body(b"I know plain-credential-1"))
    office.providers.end_provider(OPERATOR, "made")
    shown.append(redactor.body(b"I know plain-credential-1"))

    assert shown == [b"I know plain-credential-1", b"I know [key]", b"I know [key]"]


# --- a running gateway


@pytest.fixture
def gateway(tmp_path: Path, upstream: str) -> Iterator[Gateway]:
    """A gateway whose file names one provider that never answers."""
    port = free_port()
    (tmp_path / "unigate.yaml").write_text(
        f"server: {{port: {port}}}\n"
        f"providers: {{idle: {{kind: openai, api_key: x, base_url: 'http://127.0.0.1:{free_port()}/v1'}}}}\n"
        "keys: [{name: ops, key: sk-ug-admin-Yh3mQ7cVt6JfW1sD, role: admin}]\n"
    )
    gateway = start_gateway(tmp_path, port=port, environment=clean_environment())
    gateway.upstream = upstream
    yield gateway
    kill_group(gateway.process)


def ask(gateway: Gateway, method: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
    with Wire(gateway.port, timeout=60.0) as wire:
        head = f"{method} {path} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer sk-ug-admin-Yh3mQ7cVt6JfW1sD\r\n"
        content = json.dumps(body).encode() if body is not None else b""
        lines = f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        answer = wire.send((head + lines).encode() + content).answer()
    return answer.status, json.loads(answer.body)


def test_a_made_provider_serves_calls_within_two_seconds_and_shows_no_credential(gateway: Gateway) -> None:
    wanted = {"kind": "openai", "api_key": UPSTREAM_KEY, "base_url": gateway.upstream + "/v1"}
    made = ask(gateway, "PUT", "/admin/v1/providers/made", wanted)
    model = ask(gateway, "PUT", "/admin/v1/models/smart", {"targets": [{"provider": "made", "model": "mock-chat"}]})
    since = time.monotonic()
    told = {"model": "smart", "messages": [{"role": "user", "content": "hi"}]}
    until(lambda: ask(gateway, "POST", "/v1/chat/completions", told)[0] == 200, "the first answer")
    took = time.monotonic() - since
    listed = json.dumps(
        [ask(gateway, "GET", f"/admin/v1/{noun}") for noun in ("providers", "models", "audit", "versions")]
    )
    kept = b"".join(path.read_bytes() for path in gateway.folder.rglob("*") if path.is_file())
    refused = ask(gateway, "DELETE", "/admin/v1/providers/made")
    ended = [ask(gateway, "DELETE", f"/admin/v1/{path}")[0] for path in ("models/smart", "providers/made")]
    until(lambda: ask(gateway, "POST", "/v1/chat/completions", told)[0] != 200, "the end of it")

    assert (made[0], made[1]["has_credential"], model[0]) == (200, True, 200)
    assert took < 10.0  # two seconds, on a machine that does nothing else
    assert UPSTREAM_KEY not in listed and UPSTREAM_KEY.encode() not in kept
    assert (refused[0], ended) == (409, [200, 200])


def test_it_is_asked_for_its_models_and_its_prices_are_listed(shared: Gateway, upstream: str) -> None:
    wanted = {"kind": "openai", "api_key": UPSTREAM_KEY, "base_url": upstream + "/v1", "prices": "openai"}
    made = ask(shared, "PUT", "/admin/v1/providers/listed", wanted)
    until(lambda: "mock-chat" in json.dumps(ask(shared, "GET", "/v1/models")[1]), "its models")
    prices = ask(shared, "GET", "/admin/v1/prices?provider=listed&search=gpt-4o-mini")[1]["data"]

    assert made[0] == 200
    assert isinstance(prices, list) and "gpt-4o-mini" in [one["model"] for one in prices]


@pytest.mark.parametrize("path", ["team/smart", "team%2Fsmart"])
def test_a_models_name_may_have_slashes(shared: Gateway, path: str) -> None:
    wanted = {"targets": [{"provider": "idle", "model": "m"}]}
    made = ask(shared, "PUT", f"/admin/v1/models/{path}", wanted)
    ended = ask(shared, "DELETE", f"/admin/v1/models/{path}")

    assert (made[0], made[1].get("name")) == (200, "team/smart")
    assert (ended[0], ended[1].get("id")) == (200, "team/smart")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("providers/made", {"kind": "opnai", "api_key": "x"}, "kind"),
        ("providers/made", {"kind": "openai"}, None),
        ("providers/made", {"kind": "openai", "api_key": "x", "base_url": "ftp://x"}, "base_url"),
        ("providers/made", {"kind": "openai", "api_key": "x", "headers": {"host": "y"}}, "headers"),
        ("providers/made", {"kind": "openai", "api_key": "x", "credentials_file": "/etc/passwd"}, "credentials_file"),
        ("providers/a%20b", {"kind": "openai", "api_key": "x"}, "name"),
        ("models/x", {"targets": [{"provider": "none", "model": "m"}]}, "targets"),
        ("models/x", {"targets": []}, "targets"),
        ("models/", {"targets": [{"provider": "idle", "model": "m"}]}, "name"),
    ],
)
def test_what_cannot_work_is_refused_by_name(
    shared: Gateway, path: str, body: dict[str, object], param: str | None
) -> None:
    status, content = ask(shared, "PUT", "/admin/v1/" + path, body)
    error = content["error"]

    assert isinstance(error, dict)
    assert (status, error["code"], error["param"]) == (400, "invalid_value", param)


def test_what_the_file_names_is_not_replaced(shared: Gateway) -> None:
    told = ask(shared, "PUT", "/admin/v1/providers/idle", {"kind": "openai", "api_key": "x"})

    assert (told[0], told[1]["error"]["code"]) == (409, "named_in_file")  # type: ignore[index]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("shared_gateway")
    port = free_port()
    (folder / "unigate.yaml").write_text(
        f"server: {{port: {port}}}\nproviders: {{idle: {{kind: openai, api_key: x, base_url: 'http://127.0.0.1:9/v1'}}}}\n"
        "keys: [{name: ops, key: sk-ug-admin-Yh3mQ7cVt6JfW1sD, role: admin}]\n"
    )
    gateway = start_gateway(folder, port=port, environment=clean_environment())
    yield gateway
    kill_group(gateway.process)
