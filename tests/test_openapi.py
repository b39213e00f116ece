"""The OpenAPI document: it lists exactly what a door serves, in two languages, and every example is true to it."""

from __future__ import annotations

import json
import urllib.request
from contextlib import closing

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from fastapi import FastAPI

from gateways import Gateway
from harness import ADMIN_KEY, KEYS
from unigate.clock import wall
from unigate.config import ServerSettings
from unigate.current import Current
from unigate.dialects.table import DIALECTS
from unigate.errors import Refusal
from unigate.http.admin.access import Access
from unigate.http.admin.app import admin_router
from unigate.http.client_api import ClientApi
from unigate.http.openapi import build_document
from unigate.http.request import Request, Verdict
from unigate.snapshot import Settings, Stored, build_snapshot
from unigate.snapshot_file import SnapshotFile
from unigate.storage.change import Named
from unigate.storage.registry import Registry
from unigate.storage.store import Store

SETTINGS = Settings(server=ServerSettings(), providers=(), keys=KEYS)
SNAPSHOT = build_snapshot(SETTINGS, Stored())


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("admin")
    with closing(Store.open(folder / "unigate.db")) as store:
        registry = Registry(store, SnapshotFile(folder / "snapshot.json"), Named())
        app = FastAPI()
        app.include_router(admin_router(registry, Access(registry, SETTINGS, wall), SETTINGS))
        return app.openapi()


@pytest.fixture
def document(admin: dict[str, object]) -> dict[str, dict]:
    return json.loads(build_document(admin))


@pytest.fixture
def api() -> ClientApi:
    """A door's desk; nothing is asked of it but what it would let in."""
    return ClientApi(Current(SNAPSHOT), None, None, None, server=ServerSettings(), wall=wall, limits=lambda *_: b"")  # type: ignore[arg-type]


def is_served(api: ClientApi, method: str, path: str) -> bool:
    head = {b"authorization": b"Bearer " + ADMIN_KEY.encode()}
    try:
        api.admit(Request(method.upper().encode(), path.encode(), b"", head, Verdict()))
    except Refusal as refusal:
        assert refusal.told.status in (404, 405)
        return False
    return True


def operations(document: dict[str, dict]) -> list[tuple[str, str, dict]]:
    return [(method, path, told) for path, item in document["paths"].items() for method, told in item.items()]


def test_the_document_is_valid_openapi(document: dict[str, dict]) -> None:
    assert document["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(document).validate()


def test_everything_in_the_document_is_served(document: dict[str, dict], api: ClientApi) -> None:
    told = [
        (method, path.replace("{model}", "a/b").replace("{deployment}", "gpt-35").replace("{id}", "key_1"))
        for method, path, _ in operations(document)
    ]
    without_v1 = [(method, path.removeprefix("/v1")) for method, path in told if path.startswith("/v1/")]

    assert [one for one in told + without_v1 if not is_served(api, *one)] == []


def test_everything_a_door_lists_is_in_the_document(document: dict[str, dict], api: ClientApi) -> None:
    listed = [
        (method.decode().lower(), path.decode())
        for path, route in api._routes.items()
        for method in route.methods
        if method != b"HEAD"
    ]
    told = {(method, path) for method, path, _ in operations(document)}
    missing = [
        (method, path)
        for method, path in listed
        if told.isdisjoint((method, spelled) for spelled in (path, "/v1" + path, path.removeprefix("/v1")))
    ]
    in_the_body = [one for one in DIALECTS.values() if one.serves_clients and one.model_in != "path"]

    assert len(listed) > 2 * len(in_the_body)
    assert missing == []


def test_every_verb_behind_a_models_name_is_in_the_document(document: dict[str, dict], api: ClientApi) -> None:
    in_the_path = [one for one in DIALECTS.values() if one.serves_clients and one.model_in == "path"]
    words = {word.partition("?")[0] for one in in_the_path for word in (one.operation, one.stream_operation) if word}

    assert len(words) > 4
    assert {path for path in document["paths"] if ":" in path} == {"/v1beta" + word for word in words}


def test_each_client_is_told_of_errors_in_its_own_shape(document: dict[str, dict]) -> None:
    shapes = {
        path: (told["responses"]["429"]["$ref"]).rpartition("/")[2]
        for _, path, told in operations(document)
        if "429" in told["responses"]
    }

    assert shapes["/v1/chat/completions"] == "429"
    assert shapes["/v1/messages"] == shapes["/v1/messages/count_tokens"] == "AnthropicError429"
    assert shapes["/v1beta/models/{model}:generateContent"] == "GeminiError429"
    assert shapes["/api/embed"] == "OllamaError429"


def test_a_new_dialect_appears_by_itself(admin: dict[str, object]) -> None:
    fresh = msgspec.structs.replace(DIALECTS["openai.chat"], name="openai.new", operation="/new/operation")
    document = json.loads(build_document(admin, {"openai.new": fresh}))

    assert document["paths"]["/v1/new/operation"]["post"]["summary"] == "openai.new"
    assert "/openai/deployments/{deployment}/new/operation" in document["paths"]
    schemathesis.openapi.from_dict(document).validate()


def test_no_dialect_is_told_of_in_general_words(document: dict[str, dict]) -> None:
    general = [
        path
        for _, path, told in operations(document)
        if told["summary"] in DIALECTS or "AnyRequest" in json.dumps(told)
    ]

    assert general == []


def test_every_operation_has_a_name_of_its_own_and_speaks_two_languages(document: dict[str, dict]) -> None:
    names = [told["operationId"] for _, _, told in operations(document)]
    silent = [path for _, path, told in operations(document) if not any("一" <= c <= "鿿" for c in told["summary"])]

    assert (len(set(names)), silent) == (len(names), [])


def test_the_example_of_a_chat_is_one_that_any_gateway_can_try(document: dict[str, dict]) -> None:
    told = document["paths"]["/v1/chat/completions"]["post"]
    content = told["requestBody"]["content"]["application/json"]

    assert content["examples"]["plain"]["value"]["model"] == "gpt-3.5-turbo"
    assert content["examples"]["stream"]["value"]["stream"] is True
    assert set(told["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert {"401", "404", "429", "502", "504"} <= set(told["responses"])


def test_only_the_public_paths_need_no_key(document: dict[str, dict]) -> None:
    public = {path for _, path, told in operations(document) if told.get("security") in ([], [{}, {"bearer": []}])}

    assert public == {"/", "/health", "/health/ready", "/docs", "/redoc", "/openapi.json", "/api/version"}
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_requests_stay_open_for_fields_that_are_not_listed(document: dict[str, dict]) -> None:
    schemas = document["components"]["schemas"]
    closed = [name for name, schema in schemas.items() if schema.get("additionalProperties") is False]

    administration = {"Change", "ToMake", "Rotation", "Limits", "Written", "TargetShape"}
    assert [name for name in closed if not any(word in name for word in administration)] == []


def test_every_example_is_true_to_its_schema(document: dict[str, dict]) -> None:
    wrong: list[str] = []
    shown = 0
    for _, path, told in operations(document):
        contents = [told["requestBody"]["content"]] if "requestBody" in told else []
        contents += [answer["content"] for answer in told["responses"].values() if "content" in answer]
        for part in (part for content in contents for part in content.values()):
            values = [one["value"] for one in part.get("examples", {}).values()]
            values += [part["example"]] if "example" in part else []
            schema = {**part["schema"], "components": document["components"]}
            wrong += [path for value in values if not jsonschema_rs.is_valid(schema, value)]
            shown += len(values)

    assert (wrong, shown > 40) == ([], True)


def test_every_example_can_be_tried(document: dict[str, dict], gateway: Gateway) -> None:
    """But those that the one provider has no answer to: it ranks nothing, and lists other models."""
    tried: dict[tuple[str, str], int] = {}
    for method, path, told in operations(document):
        if method != "post" or path.startswith(("/admin/", "/openai/", "/v1/rerank", "/v2/rerank", "/api/show")):
            continue
        content = told["requestBody"]["content"].get("application/json", {})
        examples = {name: one["value"] for name, one in content.get("examples", {}).items()}
        for name, value in (examples or ({"": content["example"]} if content else {})).items():
            address = gateway.url + path.replace("{model}", "gpt-4o-mini")
            request = urllib.request.Request(address, json.dumps(value).encode())
            request.add_header("authorization", f"Bearer {gateway.client_key}")
            with urllib.request.urlopen(request, timeout=60) as answer:
                tried[path, name] = answer.status if answer.read() else 0

    assert (len(tried) > 25, set(tried.values())) == (True, {200})
