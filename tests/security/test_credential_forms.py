"""T66: every supported place for a key leads to the same decision, and nothing else counts as one."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Callable

import pytest
from attack import ask, chat_body, files_under

from gateways import Gateway
from harness import Answer

Place = Callable[[str], tuple[str, list[str]]]
"""Where a key is put: what follows the path, and header lines."""

PLACES: dict[str, Place] = {
    "authorization": lambda key: ("", [f"authorization: Bearer {key}"]),
    "authorization, lower case": lambda key: ("", [f"Authorization: bearer  {key} "]),
    "x-api-key": lambda key: ("", [f"x-api-key: {key}"]),
    "api-key": lambda key: ("", [f"Api-Key: {key}"]),
    "x-goog-api-key": lambda key: ("", [f"X-GOOG-API-KEY: {key}"]),
    "?key=": lambda key: (f"?key={key}", []),
    "?key= among others": lambda key: (f"?alt=sse&key={urllib.parse.quote(key, safe='')}&x=%ff", []),
}
ROUTES = {
    "chat": ("POST", "/v1/chat/completions"),
    "models": ("GET", "/v1/models"),
    "admin": ("GET", "/admin/v1/keys"),
}


def send(gateway: Gateway, route: str, *placed: tuple[str, list[str]]) -> Answer:
    method, path = ROUTES[route]
    query = "&".join(suffix[1:] for suffix, _ in placed if suffix)
    lines = [line for _, lines in placed for line in lines]
    return ask(gateway, method, f"{path}?{query}" if query else path, chat_body(), headers=lines)


@pytest.mark.parametrize("place", PLACES)
def test_every_form_gets_the_same_decision(gateway: Gateway, place: str) -> None:
    put = PLACES[place]
    keys = (gateway.client_key, gateway.admin_key, "sk-ug-wrong-key-1234567")
    decisions = {route: [send(gateway, route, put(key)).status for key in keys] for route in ROUTES}

    assert decisions == {"chat": [200, 200, 401], "models": [200, 200, 401], "admin": [403, 200, 401]}


@pytest.mark.parametrize("first", PLACES)
@pytest.mark.parametrize("second", PLACES)
def test_two_places_must_agree(gateway: Gateway, first: str, second: str) -> None:
    if first.split(",")[0].split(" ")[0] == second.split(",")[0].split(" ")[0]:
        return  # the same header twice is one header
    same = send(gateway, "models", PLACES[first](gateway.client_key), PLACES[second](gateway.client_key))
    other = send(gateway, "models", PLACES[first](gateway.client_key), PLACES[second](gateway.admin_key))
    wrong = send(gateway, "models", PLACES[first]("sk-ug-wrong-key-1234567"), PLACES[second](gateway.client_key))

    assert (same.status, other.error[:2], wrong.error[:2]) == (200, (401, "two_api_keys"), (401, "two_api_keys"))


@pytest.mark.parametrize("header", ["authorization: Bearer {}", "x-api-key: {}", "api-key: {}"])
def test_one_header_with_two_keys_is_no_key(gateway: Gateway, header: str) -> None:
    lines = [header.format(gateway.client_key), header.format(gateway.admin_key)]

    assert ask(gateway, "GET", "/v1/models", headers=lines).status == 401


def test_two_keys_in_the_query_are_two_keys(gateway: Gateway) -> None:
    query = f"?key={gateway.client_key}&key={gateway.admin_key}"

    assert ask(gateway, "GET", f"/v1/models{query}").error[:2] == (401, "two_api_keys")


@pytest.mark.parametrize(
    "line",
    [
        "cookie: key={0}; api-key={0}; authorization=Bearer {0}",
        "authorization: Basic {0}",
        "authorization: {0}",
        "authorization: Token {0}",
        "authorization: ApiKey {0}",
        "proxy-authorization: Bearer {0}",
        "x-auth-token: {0}",
        "x-access-token: {0}",
        "openai-api-key: {0}",
        "ocp-apim-subscription-key: {0}",
        "x-amz-security-token: {0}",
        "sec-websocket-protocol: openai-insecure-api-key.{0}",
        "x-api_key: {0}",
        "x_api_key: {0}",
        "referer: http://localhost/?key={0}",
    ],
)
def test_a_key_in_any_other_place_is_not_seen(gateway: Gateway, line: str) -> None:
    assert ask(gateway, "GET", "/v1/models", headers=[line.format(gateway.client_key)]).error[:2] == (401, "no_api_key")


@pytest.mark.parametrize(
    "query", ["?Key={}", "?k%65y={}", "?api_key={}", "?api-key={}", "?xkey={}", "?a;key={}", "#key={}"]
)
def test_a_query_that_only_looks_like_it_is_not_seen(gateway: Gateway, query: str) -> None:
    assert ask(gateway, "GET", "/v1/models" + query.format(gateway.client_key)).status in (400, 401)


@pytest.mark.parametrize(
    "query",
    [
        "?key=%ff",
        "?key=%00%0d%0a",
        "?key=%",
        "?key=%f0%9f%94%91",
        "?key=" + "a" * 20_000,
        "?key=x" + "&a=1" * 5_000,
        "?" + "key=x&" * 4_000,
        "?" + "&" * 20_000 + "key=",
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/admin/v1/keys"])
def test_a_malformed_key_is_a_wrong_key_and_no_defect(gateway: Gateway, query: str, path: str) -> None:
    assert ask(gateway, "POST" if "chat" in path else "GET", path + query).status == 401


def test_a_health_check_with_a_malformed_key_is_a_health_check(gateway: Gateway) -> None:
    answer = ask(gateway, "GET", "/health?key=%ff")

    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')


@pytest.mark.parametrize("put", [" {}", "{}a", "{}\t", '"{}"', "Bearer {}", "{},{}"])
def test_a_key_is_compared_whole(gateway: Gateway, put: str) -> None:
    key = put.format(*[gateway.client_key] * put.count("{}"))
    status = ask(gateway, "GET", "/v1/models", headers=[f"x-api-key: {key}"]).status

    assert status == (200 if key.strip() == gateway.client_key else 401)
    assert ask(gateway, "GET", "/v1/models", headers=[f"x-api-key: {gateway.client_key[:-1]}"]).status == 401
    assert ask(gateway, "GET", "/v1/models", headers=[f"x-api-key: {gateway.client_key.swapcase()}"]).status == 401


def test_a_hash_is_never_accepted_as_the_key(gateway: Gateway) -> None:
    """The stored hashes are in the data folder; whoever reads them has nothing to log in with."""
    import hashlib

    digest = hashlib.sha256(gateway.client_key.encode())

    for form in (digest.hexdigest(), digest.hexdigest().upper()):
        assert ask(gateway, "GET", "/v1/models", key=form).status == 401


def test_a_key_in_the_address_is_in_no_log(gateway: Gateway) -> None:
    marker = "sk-ug-in-the-address-9d2c41"
    for path in ("/v1/models", "/nowhere", "/admin/v1/keys", "/health", "/docs", "/openapi.json"):
        ask(gateway, "GET", f"{path}?key={marker}")
        ask(gateway, "GET", f"http://gateway{path}?key={marker}")
    ask(gateway, "POST", f"/v1/chat/completions?key={gateway.client_key}", chat_body("last-of-the-address-test"))
    end = time.monotonic() + 60
    log = gateway.folder / "logs" / "proxy.log"
    while b"last-of-the-address-test" not in log.read_bytes():
        assert time.monotonic() < end, "the last call is not in proxy.log"
        time.sleep(0.05)
    places = files_under(gateway.folder)
    places.pop("unigate.yaml")

    assert [name for name, content in places.items() if marker.encode() in content] == []
    assert [name for name, content in places.items() if gateway.client_key.encode() in content] == []
