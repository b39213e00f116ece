"""How a provider gets its credential: fixed headers, AWS signatures, Google's access tokens."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, quote

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from unigate.errors import Fault, Kind
from unigate.secret import Secret
from unigate.target import Endpoint, Provider, Signing, Target, Timeouts
from unigate.upstream.client import Upstream
from unigate.upstream.signed import Request
from unigate.upstream.sigv4 import SigV4, signing_key

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
REFUSED = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}"
QUICK = Timeouts(connect=2.0, write=2.0, first_byte=2.0, idle=2.0, total=4.0)
SECOND = 1_000_000_000
UNSIGNED = Signing()


class Seen:
    """A request as a service received it."""

    def __init__(self, head: bytes, body: bytes) -> None:
        line, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = line.split(" ")
        self.headers = dict(one.split(": ", 1) for one in lines if one)
        self.names = [one.split(": ", 1)[0] for one in lines if one]
        self.body = body


@asynccontextmanager
async def service(answer: Callable[[Seen], bytes] = lambda seen: OK) -> AsyncIterator[tuple[str, list[Seen]]]:
    """A service on this machine that answers as told; its address, and what it was asked."""
    asked: list[Seen] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head)
                seen = Seen(head[:-4], await reader.readexactly(int(length.group(1))) if length else b"")
                asked.append(seen)
                writer.write(answer(seen))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


@asynccontextmanager
async def upstream(wall: Callable[[], int] = lambda: 0) -> AsyncIterator[Upstream]:
    made = Upstream(wall=wall)
    try:
        yield made
    finally:
        made.close()


def provider(address: str, auth: str, key: str = "", signing: Signing = UNSIGNED, **facts: object) -> Provider:
    endpoint = Endpoint(base_url=address, speaks=("x.y",), auth=auth, **facts)  # type: ignore[arg-type]
    return Provider(name="p", endpoints=(endpoint,), key=Secret(key), signing=signing, timeouts=QUICK)


async def sent(by: Upstream, to: Provider, operation: str = "/do", model: str = "m", content: bytes = b"{}") -> int:
    async with by.send(Target(to, model), "x.y", operation, {}, content) as answer:
        await answer.read_all(1000)
        return answer.status


# --- What a request's path and headers are made of


@pytest.mark.parametrize(
    ("facts", "operation", "target"),
    [
        ({}, "/models/{model}:generateContent", "/v1/models/a%2Fb%3Ac:generateContent"),
        ({}, "/models/{model}:stream?alt=sse", "/v1/models/a%2Fb%3Ac:stream?alt=sse"),
        ({"query": "limit=9"}, "/models?alt=sse", "/v1/models?limit=9&alt=sse"),
        ({"query": "limit=9"}, "/models", "/v1/models?limit=9"),
        ({"path": "/anthropic{operation}"}, "/messages", "/v1/anthropic/messages"),
        ({"path": "/of/{model}:raw"}, "/messages?a=1", "/v1/of/a%2Fb%3Ac:raw?a=1"),
    ],
)
def test_an_operation_brings_its_place_for_the_model_and_its_query(
    facts: dict[str, str], operation: str, target: str
) -> None:
    async def run() -> list[Seen]:
        async with service() as (address, asked), upstream() as up:
            await sent(up, provider(f"{address}/v1", "none", **facts), operation, "a/b:c")
            return asked

    assert [one.target for one in asyncio.run(run())] == [target]


@pytest.mark.parametrize("model", [".", ".."])
def test_a_model_of_dots_never_walks_up_the_path(model: str) -> None:
    async def run() -> None:
        async with service() as (address, asked), upstream() as up:
            with pytest.raises(Fault) as caught:
                await sent(up, provider(address, "none"), "/models/{model}/do", model)
            assert (caught.value.kind, asked) == (Kind.REJECTED, [])

    asyncio.run(run())


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("bearer", ("authorization", "Bearer k")),
        ("access-token", ("authorization", "Bearer k")),
        ("x-api-key", ("x-api-key", "k")),
        ("azure-key", ("api-key", "k")),
        ("x-goog-api-key", ("x-goog-api-key", "k")),
    ],
)
def test_a_fixed_scheme_is_one_header(auth: str, header: tuple[str, str]) -> None:
    async def run() -> list[Seen]:
        async with service() as (address, asked), upstream() as up:
            await sent(up, provider(address, auth, "k"))
            return asked

    [seen] = asyncio.run(run())
    assert header in seen.headers.items()
    assert sum(name in ("authorization", "x-api-key", "api-key", "x-goog-api-key") for name in seen.headers) == 1


@pytest.mark.parametrize(("said", "heard"), [({}, "2023-06-01"), ({b"anthropic-version": b"2099-01-01"}, "2099-01-01")])
def test_a_header_that_clients_may_set_is_sent_once(said: dict[bytes, bytes], heard: str) -> None:
    async def run() -> list[Seen]:
        async with service() as (address, asked), upstream() as up:
            to = provider(address, "x-api-key", "k", headers={"Anthropic-Version": "2023-06-01"})
            async with up.send(Target(to, "m"), "x.y", "/do", said, b"") as answer:
                await answer.read_all(10)
            async with up.get(to, "x.y", "/list") as answer:
                await answer.read_all(10)
            return asked

    call, page = asyncio.run(run())
    assert (call.names.count("anthropic-version"), call.headers["anthropic-version"]) == (1, heard)
    assert page.headers["anthropic-version"] == "2023-06-01"


def test_streamed_calls_may_have_an_address_of_their_own() -> None:
    def at(address: str, *speaks: str) -> Endpoint:
        return Endpoint(base_url=address, speaks=speaks)

    whole, stream = at("w", "a.messages"), at("s", "a.messages.stream")
    both = Provider(name="p", endpoints=(whole, stream), key=Secret(""))
    one = Provider(name="p", endpoints=(whole,), key=Secret(""))
    assert (both.endpoint("a.messages"), both.endpoint("a.messages.stream")) == (whole, stream)
    assert (one.endpoint("a.messages.stream"), one.endpoint("a.count"), one.endpoint("a")) == (whole, None, None)


def test_one_operation_goes_to_the_address_of_its_word() -> None:
    async def run() -> list[Seen]:
        async with service() as (address, asked), upstream() as up:
            places = [
                Endpoint(base_url=address, speaks=(word,), auth="none", path=path)
                for word, path in (("a.messages", "/whole"), ("a.messages.stream", "/stream"))
            ]
            to = Provider(name="p", endpoints=tuple(places), key=Secret(""), timeouts=QUICK)
            for word in ("a.messages", "a.messages.stream", "a.messages"):
                async with up.send(Target(to, "m"), word, "/messages", {}, b"") as answer:
                    await answer.read_all(10)
            return asked

    assert [one.target for one in asyncio.run(run())] == ["/whole", "/stream", "/whole"]


# --- AWS: the vectors of its documentation and of its retired test suite, then botocore 1.44.5's for Bedrock's paths

ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AT_2015, AT_2026 = 1440938160 * SECOND, 1795338307 * SECOND
SUITE = "example.amazonaws.com"
STS = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7"
    "mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d"
    "+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
BEDROCK = "bedrock-runtime.us-west-2.amazonaws.com"
HAIKU = "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"
PROFILE = (
    "/model/arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Ainference-profile%2Fus.meta.llama3-1-8b-instruct-v1%3A0"
    "/converse-stream"
)
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def signed(request: Request, at: int, region: str, service: str, token: str = "") -> dict[str, str]:
    signing = Signing(region=region, access_key_id=ACCESS, session_token=Secret(token))
    lines = SigV4(signing, Secret(SECRET), lambda: at, service).lines(request)
    return dict(line.split(": ", 1) for line in lines.decode().splitlines())


def test_the_signing_key_is_the_documented_one() -> None:
    key = signing_key(Secret(SECRET), "20150830", "us-east-1", "iam")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


def test_the_documented_request_is_signed_as_documented() -> None:
    typed = "application/x-www-form-urlencoded; charset=utf-8"
    request = Request("GET", "/?Action=ListUsers&Version=2010-05-08", "iam.amazonaws.com", typed, b"")
    assert signed(request, AT_2015, "us-east-1", "iam") == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    }


@pytest.mark.parametrize(
    ("request_", "token", "signature"),
    [
        (Request("GET", "/", SUITE, "", b""), "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            Request("GET", "/?Param2=value2&Param1=value1", SUITE, "", b""),
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (Request("POST", "/", SUITE, "", b""), "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            Request("POST", "/", SUITE, FORM, b"Param1=value1"),
            "",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (Request("POST", "/", SUITE, "", b""), STS, "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
    ],
    ids=["get-vanilla", "get-vanilla-query-order-key-case", "post-vanilla", "post-x-www-form-urlencoded", "post-sts"],
)
def test_the_suites_requests_have_the_suites_signatures(request_: Request, token: str, signature: str) -> None:
    lines = signed(request_, AT_2015, "us-east-1", "service", token)
    assert lines["authorization"].rpartition("Signature=")[2] == signature
    assert lines.get("x-amz-security-token", "") == token


@pytest.mark.parametrize(
    ("request_", "token", "signature"),
    [
        (
            Request("POST", HAIKU, BEDROCK, JSON, b'{"messages":[]}'),
            "",
            "11ce8415d6c892aeaf0ced160045c9f4f93ed3237dd190da9462c596d7bd1ff6",
        ),
        (
            Request("POST", PROFILE, BEDROCK, JSON, b'{"messages":[]}'),
            "IQoJb3JpZ2luX2VjEXAMPLE//TOKEN==",
            "3cff0493a3cc5a097c2ea06cfcac9004002270739895f666f5725ae69733af28",
        ),
        (
            Request(
                "GET",
                "/foundation-models?byOutputModality=TEXT&byInferenceType=ON_DEMAND",
                "bedrock.us-west-2.amazonaws.com",
                "",
                b"",
            ),
            "",
            "7be220f2a3151f75f088bc046bf8861d1b6122a1a9e83ca71b9576993af96393",
        ),
        (
            Request("POST", "/model/a%20b%2F%25%C3%A9~x/converse", BEDROCK, JSON, "é".encode()),
            "",
            "ca285ab25e125f80cd28a53d60aa74c266939d7623ac656fd3dcaee41f9f92a0",
        ),
    ],
    ids=["a colon", "an ARN", "a list", "odd characters"],
)
def test_a_models_name_is_signed_as_it_is_sent_and_encoded_once_more(
    request_: Request, token: str, signature: str
) -> None:
    lines = signed(request_, AT_2026, "us-west-2", "bedrock", token)
    assert lines["authorization"].rpartition("Signature=")[2] == signature


def verified(seen: Seen, region: str) -> bool:
    """What AWS does with a request: makes the signature itself, from the bytes that arrived."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=(\S+?)/(\d{8})/(\S+?)/bedrock/aws4_request, "
        r"SignedHeaders=(\S+), Signature=([0-9a-f]{64})",
        seen.headers["authorization"],
    )
    assert found and found.group(1) == ACCESS and found.group(3) == region
    names = found.group(4).split(";")
    path, _, query = seen.target.partition("?")
    lines = [
        *(seen.method, quote(path, safe="/"), query),
        *(f"{name}:{seen.headers[name]}" for name in names),
        *("", ";".join(names), hashlib.sha256(seen.body).hexdigest()),
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    stamp = seen.headers["x-amz-date"]
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{stamp[:8]}/{region}/bedrock/aws4_request\n{digest}"
    key = signing_key(Secret(SECRET), stamp[:8], region, "bedrock")
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), found.group(5))


def test_every_request_is_signed_for_its_own_moment_and_body() -> None:
    moments = iter([AT_2015, AT_2026, AT_2026 + SECOND, AT_2026 + 2 * SECOND])

    async def run() -> list[Seen]:
        async with service() as (address, asked), upstream(lambda: next(moments)) as up:
            signing = Signing(region="eu-west-1", access_key_id=ACCESS)
            to = provider(address, "aws-sigv4", SECRET, signing)
            for body in (b"{}", b"{}", b'{"a":1}'):
                assert await sent(up, to, "/model/{model}/converse", "us.amazon.nova-lite-v1:0", body) == 200
            async with up.get(to, "x.y", "/foundation-models") as answer:
                await answer.read_all(10)
            return asked

    asked = asyncio.run(run())
    assert [verified(seen, "eu-west-1") for seen in asked] == [True] * 4
    assert [seen.headers["x-amz-date"] for seen in asked[:2]] == ["20150830T123600Z", "20261122T090507Z"]
    assert asked[0].target == "/model/us.amazon.nova-lite-v1%3A0/converse"
    assert all(SECRET not in str(seen.headers) for seen in asked)


# --- Google

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    pkcs8, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, bare).decode()


def service_account(address: str, **facts: str) -> dict[str, str]:
    usual = {"client_email": "a@b.iam.gserviceaccount.com", "private_key": pem(KEY), "private_key_id": "kid1"}
    return {"type": "service_account", "token_uri": f"{address}/token", "project_id": "b", **usual, **facts}


def user(address: str) -> dict[str, str]:
    usual = {"client_id": "id", "client_secret": "hush", "refresh_token": "again", "quota_project_id": "pays"}
    return {"type": "authorized_user", "token_uri": f"{address}/token", **usual}


def issue(*lifetimes: int) -> Callable[[Seen], bytes]:
    """A token service: each token has the next number and lifetime, the last lifetime again and again."""
    number = 0

    def answer(seen: Seen) -> bytes:
        nonlocal number
        if seen.target != "/token":
            return OK
        number += 1
        issued = {"access_token": f"t{number}", "expires_in": lifetimes[min(number, len(lifetimes)) - 1]}
        body = json.dumps(issued | {"token_type": "Bearer"}).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    return answer


def google(address: str, file: Path) -> Provider:
    return provider(address, "google", signing=Signing(credentials_file=str(file)))


def shift(seconds: float) -> None:
    """Lets time pass at once, on the clock that everything here looks at."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]


def tokens(asked: list[Seen]) -> list[str]:
    """What was asked, in order: `token` for one, else the credential of a call."""
    return ["token" if one.target == "/token" else one.headers["authorization"] for one in asked]


def with_google(
    tmp_path: Path,
    act: Callable[[Upstream, Provider, list[Seen]], object],
    *,
    answer: Callable[[Seen], bytes],
    account: Callable[[str], object] = service_account,
) -> list[Seen]:
    async def run() -> list[Seen]:
        file = tmp_path / "file.json"
        async with service(answer) as (address, asked), upstream(lambda: AT_2026) as up:
            file.write_text(json.dumps(account(address)), "utf-8")
            await act(up, google(address, file), asked)  # type: ignore[misc]
            return asked

    return asyncio.run(run())


def test_a_service_account_signs_for_a_token_and_uses_it_until_it_is_old(tmp_path: Path) -> None:
    async def act(up: Upstream, to: Provider, asked: list[Seen]) -> None:
        for _ in range(3):
            assert await sent(up, to) == 200

    asked = with_google(tmp_path, act, answer=issue(3600))
    assert tokens(asked) == ["token", *["Bearer t1"] * 3]
    form = parse_qs(asked[0].body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert asked[0].headers["content-type"] == "application/x-www-form-urlencoded"
    head, claims, signature = form["assertion"][0].split(".")
    plain = padding.PKCS1v15()
    KEY.public_key().verify(unpadded(signature), f"{head}.{claims}".encode(), plain, hashes.SHA256())
    assert json.loads(unpadded(head)) == {"alg": "RS256", "typ": "JWT", "kid": "kid1"}
    now = AT_2026 // SECOND
    assert json.loads(unpadded(claims)) == {
        "iss": "a@b.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": f"http://{asked[0].headers['host']}/token",
        "iat": now,
        "exp": now + 3600,
    }


def unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_users_file_trades_its_refresh_token_and_names_who_pays(tmp_path: Path) -> None:
    async def act(up: Upstream, to: Provider, asked: list[Seen]) -> None:
        await sent(up, to)

    trade, call = with_google(tmp_path, act, answer=issue(3600), account=user)
    assert parse_qs(trade.body.decode()) == {
        "grant_type": ["refresh_token"],
        "client_id": ["id"],
        "client_secret": ["hush"],
        "refresh_token": ["again"],
    }
    assert (call.headers["authorization"], call.headers["x-goog-user-project"]) == ("Bearer t1", "pays")


def test_calls_that_come_together_wait_for_one_token(tmp_path: Path) -> None:
    async def act(up: Upstream, to: Provider, asked: list[Seen]) -> None:
        assert await asyncio.gather(*(sent(up, to) for _ in range(20))) == [200] * 20

    assert tokens(with_google(tmp_path, act, answer=issue(3600))) == ["token", *["Bearer t1"] * 20]


def test_a_client_that_leaves_does_not_take_the_others_token_along(tmp_path: Path) -> None:
    async def act(up: Upstream, to: Provider, asked: list[Seen]) -> None:
        leaving, staying = asyncio.create_task(sent(up, to)), asyncio.create_task(sent(up, to))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == 200

    assert tokens(with_google(tmp_path, act, answer=issue(3600))) == ["token", "Bearer t1"]


def test_an_old_token_is_renewed_while_calls_go_on_with_it(tmp_path: Path) -> None:
    async def act(up: Upstream, to: Provider, asked: list[Seen]) -> None:
        await sent(up, to)
        shift(3400)
        async with asyncio.timeout(5):
            while "Bearer t2" not in tokens(asked):
                assert await sent(up, to) == 200

    asked = tokens(with_google(tmp_path, act, answer=issue(3600)))
    assert (asked[:2], asked.count("token"), asked[-1]) == (["token", "Bearer t1"], 2, "Bearer t2")
    assert "Bearer t1" in asked[2:]


def test_a_token_that_is_over_is_never_sent(tmp_path: Path) -> None:
    async def act(up: Upstream, to: Provider, asked: list[Seen]) -> None:
        await sent(up, to)
        shift(3580)
        await sent(up, to)

    assert tokens(with_google(tmp_path, act, answer=issue(3600))) == ["token", "Bearer t1", "token", "Bearer t2"]


@pytest.mark.parametrize(("age", "asks"), [(10, ["token"]), (100, ["token", "token"])])
def test_a_token_the_service_refuses_is_forgotten_once_it_is_not_new(
    tmp_path: Path, age: float, asks: list[str]
) -> None:
    service_of = issue(3600)

    async def act(up: Upstream, to: Provider, asked: list[Seen]) -> None:
        await sent(up, to)
        shift(age)
        assert await sent(up, to) == 401
        await sent(up, to)

    def answer(seen: Seen) -> bytes:
        return service_of(seen) if seen.target == "/token" else REFUSED

    assert [one for one in tokens(with_google(tmp_path, act, answer=answer)) if one == "token"] == asks


def told(tmp_path: Path, **how: object) -> tuple[Kind, str]:
    """The fault of one call."""
    faults: list[Fault] = []

    async def act(up: Upstream, to: Provider, asked: list[Seen]) -> None:
        with pytest.raises(Fault) as caught:
            await sent(up, to)
        faults.append(caught.value)

    asked = with_google(tmp_path, act, **{"answer": issue(3600), **how})  # type: ignore[arg-type]
    assert all(one.target == "/token" for one in asked)
    assert (faults[0].reaction.try_next, faults[0].reaction.may_have_run) == (True, False)
    return faults[0].kind, str(faults[0])


@pytest.mark.parametrize(
    ("account", "message"),
    [
        (lambda at: {"type": "external_account"}, "The credentials file is neither a service account's nor a user's."),
        (lambda at: [], "The credentials file is neither a service account's nor a user's."),
        (lambda at: service_account(at, private_key="x"), "The private key in the credentials file cannot be used."),
        (
            lambda at: service_account(at, private_key=pem(ec.generate_private_key(ec.SECP256R1()))),
            "The private key in the credentials file cannot be used.",
        ),
        (
            lambda at: service_account(at, token_uri="http://token.example/token"),
            "The credentials file names a token service that is not reached by https.",
        ),
        (
            lambda at: service_account(at, token_uri="file:///etc/passwd"),
            "The credentials file names a token service that is not reached by https.",
        ),
    ],
    ids=["kind", "list", "key", "curve", "plain http", "file"],
)
def test_a_file_that_cannot_be_used_fails_the_call_safely(
    tmp_path: Path, account: Callable[[str], object], message: str
) -> None:
    assert told(tmp_path, account=account) == (Kind.ACCOUNT, message)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b'HTTP/1.1 400 Bad Request\r\ncontent-length: 25\r\n\r\n{"error":"invalid_grant"}', Kind.ACCOUNT),
        (b"HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n", Kind.UNREACHABLE),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", Kind.UNREACHABLE),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n{"access_token":"a\\r\\nb"}  ', Kind.UNREACHABLE),
        (b"nonsense\r\n\r\n", Kind.UNREACHABLE),
    ],
    ids=["refused", "down", "no token", "a broken token", "not HTTP"],
)
def test_a_token_service_that_gives_none_fails_the_call_safely(tmp_path: Path, answer: bytes, kind: Kind) -> None:
    assert told(tmp_path, answer=lambda seen: answer)[0] is kind


def test_a_refused_file_is_not_traded_again_within_the_second(tmp_path: Path) -> None:
    async def act(up: Upstream, to: Provider, asked: list[Seen]) -> None:
        for _ in range(5):
            with pytest.raises(Fault) as caught:
                await sent(up, to)
            assert caught.value.kind is Kind.ACCOUNT
        assert len(asked) == 1
        shift(2)
        with pytest.raises(Fault):
            await sent(up, to)
        assert len(asked) == 2

    with_google(tmp_path, act, answer=lambda seen: b"HTTP/1.1 400 Bad\r\ncontent-length: 2\r\n\r\n{}")


def test_a_missing_file_fails_the_call_safely(tmp_path: Path) -> None:
    async def run() -> Fault:
        async with service() as (address, _), upstream() as up:
            with pytest.raises(Fault) as caught:
                await sent(up, google(address, tmp_path / "none.json"))
            return caught.value

    fault = asyncio.run(run())
    assert (fault.kind, str(fault)) == (Kind.ACCOUNT, "The provider's credentials file cannot be read.")


def test_a_door_without_google_loads_no_cryptography() -> None:
    code = "import sys, unigate.app, unigate.door; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"


def test_no_secret_of_a_signing_provider_is_printable() -> None:
    signing = Signing(access_key_id=ACCESS, session_token=Secret("hush-token"))
    shown = repr(SimpleNamespace(it=provider("http://x", "aws-sigv4", SECRET, signing)))
    assert SECRET not in shown and "hush-token" not in shown
