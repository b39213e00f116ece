"""T44: no route answers somebody it should not, however the request is spelled."""

from __future__ import annotations

import ast
import inspect
import json
import re
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from attack import ask, say, upstream_calls

from gateways import Gateway
from harness import Answer
from unigate.clock import wall
from unigate.config import ServerSettings
from unigate.dialects.table import DIALECTS
from unigate.http import client_api
from unigate.http import paths as client_paths
from unigate.http.client_api import ClientApi

# Who may use a route. A route that is missing here fails `test_every_route_has_a_verdict`: decide, then add it.
ANYONE = {"/", "/health", "/health/ready", "/docs", "/redoc", "/openapi.json", "/docs/assets/{name}", "/api/version"}
CLIENT = {
    *("/openai/deployments/{name}" + dialect.operation for dialect in DIALECTS.values()),
    *(alias for dialect in DIALECTS.values() for alias in dialect.aliases),
    *(
        prefix + word.partition("?")[0].replace("{model}", "{name}")
        for dialect in DIALECTS.values()
        for word in (dialect.operation, dialect.stream_operation)
        for prefix in ("", "/v1beta")
    ),
    *("/models", "/models/{name}", "/v1beta/models", "/v1beta/models/{name}", "/api/tags", "/api/ps", "/api/show"),
    "/v1beta/{name}/{name}:generateContent",
}
ADMIN = {
    *("/admin/v1/" + noun + one for noun in ("keys", "organisations", "projects") for one in ("", "/{name}")),
    *("/admin/v1/keys/{name}/rotate", "/admin/v1/audit"),
    *("/admin/v1/usage", "/admin/v1/budgets", "/admin/v1/prices"),
    *("/admin/v1/providers", "/admin/v1/providers/{name}", "/admin/v1/models", "/admin/v1/models/{name}"),
    *("/admin/v1/calls", "/admin/v1/calls/{name}"),
    *("/admin/v1/versions", "/admin/v1/versions/{name}", "/admin/v1/versions/{name}/restore"),
}
# Paths that carry a name are recognised by these beginnings.
BEGINNINGS = {
    *("/v1/models/", "/models/", "/v1beta/models/", "/docs/assets/", "/admin/v1/"),
    *("/openai/deployments/", "/v1", "/models"),
}

# The top level of an error, and of nothing else, in the shapes of all clients.
ERRORS = ({"error"}, {"type", "error"})

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
SPELLED_IN_HEADERS = (
    "host: gateway/health",
    "host: gateway?/health",
    "host: gateway#/health",
    "host: key@gateway",
    "host: localhost/docs/assets/",
    "host: \\\\gateway\\health",
    "x-original-url: /health",
    "x-rewrite-url: /health",
    "x-forwarded-prefix: /health",
    "x-forwarded-uri: /health",
    "x-forwarded-for: 127.0.0.1",
    "x-forwarded-host: localhost",
    "x-real-ip: 127.0.0.1",
    "forwarded: for=127.0.0.1;host=localhost;proto=http",
    "x-http-method-override: GET",
    "x-http-method: GET",
    "x-method-override: GET",
    "x-unigate-operator: true",
    "unigate.operator: true",
    "cookie: key=admin; session=1",
    "authorization: Basic YWRtaW46YWRtaW4=",
    "authorization: Bearer",
    "authorization: Bearer null",
    "authorization: Bearer ''",
    "proxy-authorization: Bearer admin",
    "sec-websocket-protocol: openai-insecure-api-key.admin",
)


def respelled(path: str) -> list[str]:
    """The same path as other parsers may read it."""
    head, _, tail = path.rpartition("/")
    return [
        f"http://gateway{path}",
        f"HTTP://localhost:1/health/..{path}",
        f"/{path}",
        f"{head}//{tail}",
        f"/health/..{path}",
        f"/health/%2e%2e{path}",
        f"/docs/assets/%2e%2e/%2e%2e{path}",
        f"/docs/assets/..%2f..{path}",
        f"/./{path[1:]}",
        f"/%2e/{path[1:]}",
        f"/{path[1:]};/health",
        f"/health;{path}",
        path.upper(),
        f"{path}.",
        f"{path}/",
        f"{path}%20",
        f"{path}%00",
        f"{path}?/health",
        f"{path}?key=",
        path.replace("/v1/", "/%761/") if "/v1/" in path else path[:1] + f"%{ord(path[1]):02x}" + path[2:],
        path.replace("/", "\\"),
        f"{path}#/health",
        f"{path}.json",
    ]


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    role: str


def template(path: str) -> str:
    """A path as the verdicts name it: one name for all parameters, with and without /v1."""
    path = re.sub(r"\{[^}]*\}", "{name}", path)
    return path.removeprefix("/v1") if path.startswith("/v1/") else path


def own_table() -> dict[str, tuple[str, ...]]:
    """Paths and methods of the table the running door looks into."""

    api = ClientApi(None, None, None, None, server=ServerSettings(), wall=wall, limits=lambda *_: b"")  # type: ignore[arg-type]
    return {path.decode(): tuple(one.decode() for one in route.methods) for path, route in api._routes.items()}


def documented(gateway: Gateway) -> dict[str, tuple[str, ...]]:
    """Paths and methods of the running gateway's own OpenAPI document."""
    with urllib.request.urlopen(gateway.url + "/openapi.json", timeout=60) as answer:
        paths: dict[str, dict[str, object]] = json.load(answer)["paths"]
    return {path: tuple(one.upper() for one in item if one.upper() in METHODS) for path, item in paths.items()}


def role_of(path: str) -> str:
    name = template(path)
    roles = [role for role, paths in (("anyone", ANYONE), ("client", CLIENT), ("admin", ADMIN)) if name in paths]
    assert len(roles) == 1, f"{path} has no verdict in this file: who may use it?"
    return roles[0]


@pytest.fixture(scope="module")
def routes(gateway: Gateway) -> list[Route]:
    """Every route there is, each with one of its methods."""
    extra = {f"{prefix}/models/{{name}}": ("GET",) for prefix in ("", "/v1")}
    extra |= {"/v1/models/{name}:generateContent": ("POST",), "/v1beta/models/{name}": ("GET",)}
    extra |= {"/v1beta/{name}/{name}:generateContent": ("POST",)}
    extra |= {"/openai/deployments/{name}/chat/completions": ("POST",), "/admin/v1/keys/{name}": ("DELETE",)}
    found = {**extra, **documented(gateway), **own_table()}
    return [
        Route(method, path.replace("{name}", "x") if "{" in path else path, role_of(path))
        for path, methods in ((re.sub(r"\{[^}]*\}", "{name}", path), m) for path, m in found.items())
        for method in methods
    ]


@pytest.fixture(scope="module")
def revoked(gateway: Gateway) -> str:
    """A key that worked and was then revoked."""
    made = ask(gateway, "POST", "/admin/v1/keys", {"name": "soon gone"}, key=gateway.admin_key)
    assert made.status == 201
    key, id = str(made.json()["key"]), made.json()["id"]
    wait_for_status(gateway, key, 200)
    assert ask(gateway, "DELETE", f"/admin/v1/keys/{id}", key=gateway.admin_key).status == 200
    wait_for_status(gateway, key, 401)
    return key


def wait_for_status(gateway: Gateway, key: str, status: int) -> None:
    """A change of keys reaches the doors within two seconds, or a few more where much else is done."""
    end = time.monotonic() + 10
    while (seen := ask(gateway, "GET", "/v1/models", key=key).status) != status:
        assert time.monotonic() < end, f"still {seen} after 10 s"


@pytest.fixture(scope="module")
def strangers(gateway: Gateway, revoked: str) -> dict[str, str]:
    return {"no key": "", "wrong key": "sk-ug-" + "wrong" * 8, "revoked key": revoked, "hash": "0" * 64}


def refused(answer: Answer, among: set[int]) -> bool:
    """Whether somebody was turned away, with an error and nothing else."""
    return answer.status in among and (not answer.body or set(answer.json()) in ERRORS)


def test_every_route_has_a_verdict(gateway: Gateway) -> None:
    found = {template(path) for path in (*own_table(), *documented(gateway))}

    assert found - ANYONE - CLIENT - ADMIN == set()


def test_every_path_with_a_name_in_it_is_known_here() -> None:
    patterns = [
        node
        for module in (client_api, client_paths)
        for node in ast.walk(ast.parse(Path(inspect.getfile(module)).read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name in ("_by_pattern", "place_of")
    ]
    texts = {node.value for pattern in patterns for node in ast.walk(pattern) if isinstance(node, ast.Constant)}
    beginnings = {text.decode() for text in texts if isinstance(text, bytes) and text.startswith(b"/") and text != b"/"}

    assert len(patterns) == 2
    assert beginnings == BEGINNINGS


def test_a_stranger_gets_401_on_every_route_with_every_method(
    gateway: Gateway, routes: list[Route], strangers: dict[str, str]
) -> None:
    paths = sorted({route.path for route in routes if route.role != "anyone"})
    before = upstream_calls(gateway.upstream)
    got_in = [
        (method, path, who, answer.status)
        for path in paths
        for method in METHODS
        for who, key in strangers.items()
        if not refused(answer := ask(gateway, method, path, key=key), {401})
    ]

    assert got_in == []
    assert upstream_calls(gateway.upstream) == before


def test_a_clients_key_gets_403_on_every_admin_route_with_every_method(gateway: Gateway, routes: list[Route]) -> None:
    paths = sorted({route.path for route in routes if route.role == "admin"})
    got_in = [
        (method, path, answer.status)
        for path in paths
        for method in METHODS
        if not refused(answer := ask(gateway, method, path, key=gateway.client_key), {403})
    ]

    assert (len(paths) >= 2, got_in) == (True, [])


def test_a_header_never_changes_the_verdict(gateway: Gateway, routes: list[Route], strangers: dict[str, str]) -> None:
    keys = {"no key": "", "revoked key": strangers["revoked key"], "client": gateway.client_key}
    before = upstream_calls(gateway.upstream)
    changed = [
        (route.method, route.path, who, line, answer.status)
        for route in routes
        if route.role != "anyone"
        for who, key in keys.items()
        if who != "client" or route.role == "admin"
        for line in SPELLED_IN_HEADERS
        if not (key and line.startswith("authorization"))
        if not refused(answer := spelled(gateway, route, key, line), {403 if who == "client" else 401})
    ]

    assert changed == []
    assert upstream_calls(gateway.upstream) == before


def spelled(gateway: Gateway, route: Route, key: str, line: str) -> Answer:
    """One request with one more header line; a line with a host stands for the usual one."""
    host = [] if line.startswith("host:") else ["host: gateway"]
    auth = [f"x-api-key: {key}"] if key else []
    lines = [f"{route.method} {route.path} HTTP/1.1", *host, line, *auth, "connection: close", "", ""]
    return say(gateway.port, "\r\n".join(lines).encode())


def test_another_spelling_of_a_path_is_refused_or_does_not_exist(
    gateway: Gateway, routes: list[Route], strangers: dict[str, str]
) -> None:
    keys = {"no key": "", "wrong key": strangers["wrong key"], "client": gateway.client_key}
    before = upstream_calls(gateway.upstream)
    got_in = [
        (route.method, target, who, answer.status)
        for route in routes
        if route.role != "anyone"
        for who, key in keys.items()
        if who != "client" or route.role == "admin"
        for target in respelled(route.path)
        if not refused(answer := ask(gateway, route.method, target, key=key), {400, 401, 403, 404, 405})
    ]

    assert got_in == []
    assert upstream_calls(gateway.upstream) == before


def test_the_absolute_form_is_judged_by_its_path(gateway: Gateway, routes: list[Route]) -> None:
    statuses = {
        ask(gateway, route.method, f"http://elsewhere:1{route.path}").status
        for route in routes
        if route.role != "anyone"
    }

    assert statuses == {401}
    assert ask(gateway, "GET", "http://elsewhere:1/health").status == 200
    assert ask(gateway, "GET", "http://elsewhere/v1/models", key=gateway.client_key).status == 200


@pytest.mark.parametrize("target", ["gateway:443", "127.0.0.1:22", "/v1/models"])
def test_connect_opens_nothing(gateway: Gateway, target: str) -> None:
    assert ask(gateway, "CONNECT", target).status in (400, 401, 404, 405)


@pytest.mark.parametrize(
    "line", ["x-original-url: /admin/v1/keys", "x-rewrite-url: /v1/models", "host: x/admin/v1/keys"]
)
def test_a_public_page_stays_that_page(gateway: Gateway, line: str) -> None:
    answer = spelled(gateway, Route("GET", "/health", "anyone"), "", line)

    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')


def test_what_is_public_is_the_same_for_strangers(gateway: Gateway, routes: list[Route], revoked: str) -> None:
    answers = {
        (route.path, key): ask(gateway, route.method, route.path, key=key).status
        for route in routes
        if route.role == "anyone" and "assets" not in route.path
        for key in ("", revoked)
    }

    assert set(answers.values()) == {200}


def test_the_right_key_opens_what_it_may_open(gateway: Gateway, routes: list[Route]) -> None:
    keys = {"client": gateway.client_key, "admin": gateway.admin_key}
    shut = [
        (route, answer.status)
        for route in routes
        if route.role != "anyone" and route.method != "HEAD"
        if (answer := ask(gateway, route.method, route.path, b"{}", key=keys[route.role])).status in (401, 403, 405)
    ]

    assert shut == []


def test_a_key_for_some_models_sees_and_calls_no_other(gateway: Gateway) -> None:
    made = ask(gateway, "POST", "/admin/v1/keys", {"name": "narrow", "models": ["this"]}, key=gateway.admin_key)
    key = str(made.json()["key"])
    wait_for_status(gateway, key, 200)
    body = {"model": "other", "messages": []}
    before = upstream_calls(gateway.upstream)
    named_elsewhere = [
        ask(gateway, "POST", "/v1/chat/completions", body, key=key),
        ask(gateway, "POST", "/v1/chat/completions", b'{"model":"this","model":"other"}', key=key),
        ask(gateway, "POST", "/v1/chat/completions", b'{"model":"this","mod\\u0065l":"other"}', key=key),
        ask(gateway, "POST", "/v1/chat/completions", {"model": "mock/this"}, key=key),
        ask(gateway, "POST", "/v1/chat/completions?model=this", body, key=key),
        ask(gateway, "POST", "/openai/deployments/other/chat/completions", {"model": "this"}, key=key),
        ask(gateway, "POST", "/openai/deployments/mock%2Fthis/chat/completions", {"model": "this"}, key=key),
    ]

    assert [answer.status for answer in named_elsewhere] == [403] * len(named_elsewhere)
    assert ask(gateway, "GET", "/v1/models/other", key=key).status == 404
    assert {str(line["id"]) for line in ask(gateway, "GET", "/v1/models", key=key).json()["data"]} <= {"this"}  # type: ignore[index, union-attr]
    assert upstream_calls(gateway.upstream) == before


@pytest.mark.parametrize("path", ["/docs/assets/docs.js/", "/docs/", "/admin/v1/keys/", "/health/"])
def test_no_answer_repeats_the_host_it_was_told(gateway: Gateway, path: str) -> None:
    lines = f"GET {path} HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: evil.example\r\nconnection: close\r\n"
    for key in ("", f"x-api-key: {gateway.admin_key}\r\n"):
        answer = say(gateway.port, f"{lines}{key}\r\n".encode())
        assert (answer.status in (401, 404, 405), "evil.example" in str(answer)) == (True, False)
