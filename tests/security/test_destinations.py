"""T53 to T55: nothing a client or an upstream says decides where the gateway connects, or where a key goes."""

from __future__ import annotations

import ast
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from attack import Canaries, ask, canaries, chat_body, say, upstream_calls

import unigate
from gateways import UPSTREAM_KEY, Gateway
from harness import KEY, RawUpstream, provider, raw_upstream, read_request, request, route, start_door
from unigate.dialects.table import DIALECTS
from unigate.secret import Secret

SOURCE = Path(unigate.__file__).parent
CREDENTIAL = hashlib.sha256(UPSTREAM_KEY.encode()).hexdigest()[:8]


def words(text: str) -> list[str]:
    return text.split()


# Names that gateways and SDKs have taken for a destination, and those under which a format carries an address.
FIELDS = words(
    """
api_base base_url url host proxy endpoint api_url target upstream origin server deployment_url azure_endpoint
custom_host provider_url callback callback_url webhook webhook_url redirect redirect_uri success_callback
proxy_url http_proxy https_proxy aws_bedrock_runtime_endpoint vertex_location region organization project
api_key api_version provider custom_llm_provider config vault metadata user instructions input prompt query
documents image file file_url file_id image_url audio voice response_format previous_response_id suffix
"""
)
NESTED = words(
    """
extra_body litellm_params provider_options client http_client fallbacks models tools tool_choice mcp_servers
metadata config retry target targets headers extra_headers default_headers
"""
)
HEADERS = words(
    """
x-portkey-custom-host x-portkey-config x-portkey-provider x-custom-host x-api-base api-base x-base-url base-url
openai-base-url openai-api-base x-openai-endpoint x-target-url x-target-host x-upstream x-upstream-host x-proxy-url
x-forwarded-host x-forwarded-server x-forwarded-proto x-host x-original-host x-original-url x-rewrite-url forwarded
proxy x-proxy http-proxy host-override x-http-destinationurl x-http-host-override destination referer origin
helicone-target-url helicone-openai-api-base x-litellm-api-base x-bf-base-url cf-connecting-ip true-client-ip
x-webhook-url x-callback-url x-wap-profile profile openai-organization openai-project openai-beta anthropic-beta
"""
)


def addresses(birds: Canaries) -> list[str]:
    """The canaries' addresses, as plainly and as crookedly as one can write them."""
    plain, ports = birds.addresses, birds.ports
    first = ports[0]
    return [
        *(f"http://{one}/latest/meta-data/" for one in plain),
        f"http://2130706434:{first}/",  # 127.0.0.2 as one number
        f"http://0x7f000002:{first}/",
        f"http://0177.0.0.2:{first}/",
        f"http://127.2:{first}/",
        f"http://[::ffff:127.0.0.2]:{first}/",
        f"http://127。0。0。2:{first}/",
        f"http://api.openai.com@127.0.0.2:{first}/",
        f"http://127.0.0.2:{first}\\@api.openai.com/",
        f"http://api.openai.com\\@127.0.0.2:{first}/",
        f"http://127.0.0.2:{first}#@api.openai.com/",
        f"//127.0.0.2:{first}/",
        f"\\\\127.0.0.2:{first}\\share",
        f"127.0.0.2:{first}",
        f"https://127.0.0.2:{first}/",
        f"gopher://127.0.0.2:{first}/_GET%20/",
        f"ftp://127.0.0.2:{first}/",
        f"ldap://127.0.0.2:{first}/",
        f"ws://127.0.0.2:{first}/",
        "file:///etc/passwd",
    ]


@contextmanager
def undisturbed() -> Iterator[Canaries]:
    """Canaries that must not have heard anything by the end."""
    with canaries() as birds:
        yield birds
    assert birds.caught == []


def form(operation_body: dict[str, str]) -> tuple[bytes, str]:
    parts = [
        f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in operation_body.items()
    ]
    return b"".join(parts) + b"--b--\r\n", "content-type: multipart/form-data; boundary=b"


def post(gateway: Gateway, operation: str, body: dict[str, object], *headers: str) -> int:
    """The status of one call by a tenant in good standing."""
    dialect = next(one for one in DIALECTS.values() if one.operation == operation)
    if dialect.model_in == "form":
        content, kind = form({name: str(value) for name, value in body.items()})
        lines = [f"POST /v1{operation} HTTP/1.1", "host: g", f"authorization: Bearer {gateway.client_key}", kind]
        head = "\r\n".join([*lines, *headers, "connection: close", f"content-length: {len(content)}", "", ""])
        return say(gateway.port, head.encode() + content).status
    path = f"/v1{operation}".replace("{model}", quote(str(body["model"]), safe=""))
    return ask(gateway, "POST", path, body, key=gateway.client_key, headers=headers).status


OPERATIONS = sorted({dialect.operation for dialect in DIALECTS.values() if dialect.serves_clients})


def usual(operation: str) -> dict[str, object]:
    """A body the scripted upstream is content with."""
    content = {"parts": [{"text": "x"}]}
    more: dict[str, object] = {"prompt": "x", "input": "x", "query": "x", "documents": ["x"], "max_tokens": 9}
    more |= {"contents": [content], "content": content, "requests": [{"content": content}]}
    return chat_body() | more


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_field_header_or_parameter_is_taken_for_an_address(gateway: Gateway, operation: str) -> None:
    with undisturbed() as birds:
        for address in addresses(birds):
            told: dict[str, object] = dict.fromkeys(FIELDS, address)
            told |= {name: dict.fromkeys(FIELDS, address) for name in NESTED}
            post(gateway, operation, told | {"model": "m", "messages": [{"role": "user", "content": address}]})
            post(gateway, operation, usual(operation) | {"model": address})
            in_header = address.encode().decode("latin-1")
            lines = [f"{name}: {in_header}" for name in HEADERS]
            assert post(gateway, operation, usual(operation), *lines) in (200, 404)  # 404: not spoken there


def test_no_query_or_host_is_taken_for_an_address(gateway: Gateway) -> None:
    with undisturbed() as birds:
        for address in birds.addresses:
            query = "&".join(f"{name}=http://{address}/" for name in FIELDS)
            for path in (
                "/v1/chat/completions",
                "/v1/models",
                "/health",
                "/docs",
                f"/openai/deployments/{address}/chat/completions",
            ):
                method = "POST" if "chat" in path else "GET"
                ask(gateway, method, f"{path}?{query}", chat_body(), key=gateway.client_key)
                ask(gateway, method, f"http://{address}{path}", chat_body(), key=gateway.client_key)
                ask(gateway, method, path, chat_body(), key=gateway.client_key, headers=[f"host: {address}"])
            ask(gateway, "CONNECT", address, key=gateway.client_key)


def test_an_admins_api_takes_no_address_either(gateway: Gateway) -> None:
    with undisturbed() as birds:
        for address in addresses(birds):
            told = dict.fromkeys(FIELDS, address)
            ask(gateway, "POST", "/admin/v1/keys", {"name": address, **told}, key=gateway.admin_key)
            ask(gateway, "POST", "/admin/v1/keys?" + "&".join(f"{n}=x" for n in FIELDS), told, key=gateway.admin_key)


def test_a_media_address_is_handed_on_as_text_and_fetched_by_nobody_here(gateway: Gateway) -> None:
    with undisturbed() as birds:
        url = f"http://{birds.addresses[0]}/cat.png"
        content = [
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "input_audio", "input_audio": {"data": url}},
        ]
        told = {"model": "media", "messages": [{"role": "user", "content": content}], "file_url": url}
        body = json.dumps(told, separators=(",", ":")).encode()
        assert ask(gateway, "POST", "/v1/chat/completions", body, key=gateway.client_key).status == 200

    seen = [call for call in upstream_calls(gateway.upstream) if call["model"] == "media"]
    assert [call["body_sha256"] for call in seen] == [hashlib.sha256(body).hexdigest()]


# --- T54: redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("stream", [False, True])
def test_a_redirect_is_a_fault_and_is_not_followed(gateway: Gateway, status: int, stream: bool) -> None:
    with undisturbed() as birds:
        url = f"http%3A//{birds.addresses[0]}/v1/chat/completions"
        model = f"script:redirect={url},status={status}"
        answer = ask(gateway, "POST", "/v1/chat/completions", chat_body(model, stream=stream), key=gateway.client_key)

    assert (answer.status, answer.error[1], "location" in answer.headers) == (502, "upstream_protocol", False)
    assert birds.addresses[0].encode() not in answer.body


@pytest.mark.parametrize("header", ["refresh", "content-location", "link", "alt-svc", "location"])
def test_no_header_of_an_answer_leads_elsewhere(gateway: Gateway, header: str) -> None:
    with undisturbed() as birds:
        model = f"script:headers={header}:http%3A//{birds.addresses[0]}/"
        answer = ask(gateway, "POST", "/v1/chat/completions", chat_body(model), key=gateway.client_key)

    assert (answer.status, header in answer.headers) == (200, False)


# --- a provider's key goes to its own origin


ANSWER = b'{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"ok"}}]}'


class Recorder:
    """An upstream that answers one thing and keeps every request it was sent."""

    def __init__(self, status: int = 200) -> None:
        self.heard: list[bytes] = []
        self._status = status
        self._lock = threading.Lock()

    def __call__(self, connection: socket.socket) -> None:
        while said := read_request(connection):
            with self._lock:
                self.heard.append(said)
            body = ANSWER if self._status == 200 else b'{"error":{"message":"no"}}'
            connection.sendall(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (self._status, len(body)) + body)

    def all(self) -> bytes:
        with self._lock:
            return b"".join(self.heard)


@contextmanager
def two_upstreams() -> Iterator[tuple[Recorder, RawUpstream, Recorder, RawUpstream]]:
    one, other = Recorder(503), Recorder()
    with raw_upstream(one) as first, raw_upstream(other) as second:
        yield one, first, other, second


def test_each_providers_key_is_seen_at_its_own_origin_alone(tmp_path: Path) -> None:
    keys = ("canary-key-of-one-81fe", "canary-key-of-two-27ac")
    with two_upstreams() as (one, first, other, second):
        providers = [
            msgspec.structs.replace(provider(name, port), key=Secret(key))
            for name, port, key in (("one", first.port, keys[0]), ("two", second.port, keys[1]))
        ]
        failover = route("both", ("one", "m"), ("two", "m"))
        with start_door(tmp_path / "data", *providers, routes=(failover,)) as door:
            assert [door.call(name).status for name in ("one/m", "two/m", "both")] == [503, 200, 200]
            sneaky = "x-forwarded-host: 127.0.0.1\r\nhost: two\r\nx-api-key: " + KEY + "\r\n"
            assert door.ask(request(b'{"model":"one/two/m"}', headers=sneaky)).status == 503

    assert (keys[0].encode() in one.all(), keys[1].encode() in other.all()) == (True, True)
    assert (keys[1].encode() in one.all(), keys[0].encode() in other.all()) == (False, False)


def test_an_upstream_hears_our_key_once_and_nothing_of_the_client(tmp_path: Path) -> None:
    spy = Recorder()
    personal = {
        "cookie": "session=secret-cookie",
        "proxy-authorization": "Basic c2VjcmV0",
        "x-forwarded-for": "10.9.8.7",
        "forwarded": "for=10.9.8.7",
        "connection": "authorization, x-secret",
        "x-secret": "secret-header",
        "openai-organization": "org-secret",
        "user-agent": "secret-agent",
        "referer": "http://secret.example/",
        "x-api-key": KEY,
        "x-unigate-operator": "true",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in personal.items())
    with raw_upstream(spy) as upstream, start_door(tmp_path / "data", provider("one", upstream.port)) as door:
        assert door.ask(request(b'{"model":"m"}', path=f"/v1/chat/completions?key={KEY}", headers=lines)).status == 200
    heads = [line.lower() for line in spy.all().partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]]

    assert sum(line.startswith(b"authorization:") for line in heads) == 1
    assert {line.split(b":")[0] for line in heads} == {
        b"host", b"user-agent", b"accept", b"accept-encoding", b"authorization", b"content-type", b"content-length",
    }  # fmt: skip
    assert [word for word in (b"secret", b"10.9.8.7", KEY.encode()) if word in spy.all()] == []


def test_every_call_to_the_upstream_showed_the_one_right_key(gateway: Gateway) -> None:
    assert ask(gateway, "POST", "/v1/chat/completions", chat_body("own-key"), key=gateway.client_key).status == 200
    calls = upstream_calls(gateway.upstream)

    assert {call["credential"] for call in calls if call["model"] == "own-key"} == {CREDENTIAL}


# --- T55: by construction


def test_connections_are_opened_in_few_places_to_configured_addresses_alone() -> None:
    openers = {
        "create_connection",
        "open_connection",
        "create_unix_connection",
        "open_unix_connection",
        "connect",
        "urlopen",
        "connect_ex",
        "sock_connect",
    }
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in openers
    }

    # pool: an Origin, made from a configured Endpoint. discovery: known ports of 127.0.0.1.
    # lender, operator_line: sockets in our own data folder. postgres: the configured database.
    assert found == {
        "upstream/pool.py",
        "discovery.py",
        "lender.py",
        "operator_line.py",
        "storage/postgres.py",
    }
