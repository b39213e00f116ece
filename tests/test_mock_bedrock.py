"""The scripted upstream as Bedrock: Converse, its binary stream and AWS's signatures."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
import time
from collections.abc import Iterator
from urllib.parse import quote
from zlib import crc32

import pytest

from mocking import Answer, call, last_call, raw, upstream
from unigate.mock.ask import Request
from unigate.mock.sigv4 import claim_of, matches

HELLO = {"messages": [{"role": "user", "content": [{"text": "12345678"}]}]}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {"toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]}}
ACCESS, SECRET = "AKIDMOCK", "a/secret+key"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with upstream() as port:
        yield port


def path(script: str, verb: str = "converse") -> str:
    return f"/model/{quote(script, safe='')}/{verb}"


def frames(body: bytes) -> list[tuple[dict[str, str], dict[str, object]]]:
    """The frames of a stream, their checksums checked."""
    told: list[tuple[dict[str, str], dict[str, object]]] = []
    while body:
        size, head = struct.unpack(">II", body[:8])
        frame, body = body[:size], body[size:]
        assert struct.unpack(">I", frame[8:12])[0] == crc32(frame[:8])
        assert struct.unpack(">I", frame[-4:])[0] == crc32(frame[:-4])
        told.append((headers(frame[12 : 12 + head]), json.loads(frame[12 + head : -4])))
    return told


def headers(raw: bytes) -> dict[str, str]:
    told: dict[str, str] = {}
    while raw:
        end = 1 + raw[0]
        kind, size = struct.unpack(">BH", raw[end : end + 3])
        assert kind == 7
        told[raw[1:end].decode()] = raw[end + 3 : end + 3 + size].decode()
        raw = raw[end + 3 + size :]
    return told


def streamed(port: int, script: str, **more: object) -> list[tuple[str, dict[str, object]]]:
    answer = call(port, path(script, "converse-stream"), {**HELLO, **more})
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    return [(head[":event-type"], {k: v for k, v in told.items() if k != "p"}) for head, told in frames(answer.body)]


def test_a_whole_answer(port: int) -> None:
    answer = call(port, path("script:tokens=2"), HELLO)
    assert answer.headers["x-amzn-requestid"].startswith("00000000-0000-4000-8000-mock")
    assert answer.json() == {
        "metrics": {"latencyMs": 1},
        "output": {"message": {"content": [{"text": "Hello! This"}], "role": "assistant"}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 2, "outputTokens": 2, "serverToolUsage": {}, "totalTokens": 4},
    }


def test_a_stream_starts_blocks_for_tools_only_and_tells_usage_last(port: int) -> None:
    assert streamed(port, "script:tokens=1,tool=weather", **TOOLS)[:2] == [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"name": "weather", "toolUseId": ANY}}}),
    ]
    told = streamed(port, "script:tokens=1")
    assert told == [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello!"}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": ""}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        (
            "metadata",
            {
                "metrics": {"latencyMs": 1},
                "usage": {"inputTokens": 2, "outputTokens": 1, "serverToolUsage": {}, "totalTokens": 3},
            },
        ),
    ]


class Anything:
    def __eq__(self, other: object) -> bool:
        return True


ANY = Anything()


def test_arguments_of_a_call_come_in_pieces_of_text(port: int) -> None:
    asked = {"messages": [{"role": "user", "content": [{"text": "Go to Rome"}]}], **TOOLS}
    told = streamed(port, "m", **asked)
    pieces = [event["delta"]["toolUse"]["input"] for kind, event in told if kind == "contentBlockDelta"]  # type: ignore
    assert (json.loads("".join(pieces)), told[-2][1]) == ({"city": "Rome"}, {"stopReason": "tool_use"})
    whole = call(port, path("m"), asked).json()
    assert whole["output"]["message"]["content"][0]["toolUse"]["input"] == {"city": "Rome"}  # type: ignore
    result = {"role": "user", "content": [{"toolResult": {"toolUseId": "x", "content": [{"text": "sunny"}]}}]}
    whole = call(port, path("m"), {**asked, "messages": [*asked["messages"], result]}).json()  # type: ignore
    assert whole["output"]["message"]["content"] == [{"text": "The tool says: sunny"}]  # type: ignore


def conversation(port: int, script: str) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The blocks of a turn that called a tool, and the messages that carry its result."""
    told = call(port, path(script), {**HELLO, **TOOLS}).json()
    blocks = told["output"]["message"]["content"]  # type: ignore
    result = {"toolResult": {"toolUseId": blocks[-1]["toolUse"]["toolUseId"], "content": [{"json": {"t": 21}}]}}
    turns = [*HELLO["messages"], {"role": "assistant", "content": blocks}, {"role": "user", "content": [result]}]
    return blocks, turns


def test_thoughts_must_come_back_with_their_signatures_and_in_order(port: int) -> None:
    script = "script:think=3,redacted"
    blocks, turns = conversation(port, script)
    assert [next(iter(block)) for block in blocks] == ["reasoningContent", "reasoningContent", "toolUse"]
    assert call(port, path(script), {"messages": turns, **TOOLS}).status == 200
    for spoil in SPOILT:
        blocks, turns = conversation(port, script)
        spoil(blocks)
        refused = call(port, path(script), {"messages": turns, **TOOLS})
        assert (refused.status, refused.headers["x-amzn-errortype"].split(":")[0]) == (400, "validationexception")


SPOILT = (
    lambda blocks: blocks.reverse(),
    lambda blocks: blocks.pop(0),
    lambda blocks: blocks[0]["reasoningContent"]["reasoningText"].update(text="something else"),
    lambda blocks: blocks[1]["reasoningContent"].update(redactedContent="AAAA"),
)


def test_errors_tell_their_type_in_a_header_and_in_a_stream_as_an_exception(port: int) -> None:
    refused = call(port, path("script:status=429,message=slow"), HELLO)
    assert (refused.status, refused.json()) == (429, {"message": "slow"})
    assert refused.headers["x-amzn-errortype"].startswith("throttlingexception:http")
    answer = call(port, path("script:inband=2,message=boom", "converse-stream"), HELLO)
    head, told = frames(answer.body)[-1]
    assert head == {
        ":exception-type": "internalServerException",
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    assert told == {"message": "boom"}
    scripted = call(port, path("script:inband=2,error=ThrottlingException", "converse-stream"), HELLO)
    assert frames(scripted.body)[-1][0][":exception-type"] == "throttlingException"


def test_a_frame_may_be_cut_or_have_a_wrong_checksum(port: int) -> None:
    with pytest.raises(AssertionError):
        frames(call(port, path("script:badcrc", "converse-stream"), HELLO).body)
    raw(port, path("script:cut=mid:2", "converse-stream"), HELLO)
    assert last_call(port, "script:cut=mid:2")["closed_by"] == "server"


def test_the_same_stream_again_has_right_checksums(port: int) -> None:
    for _ in range(3):
        call_ids = [told for kind, told in streamed(port, "script:tool=weather") if kind == "contentBlockStart"]
    assert call_ids


def test_details_of_usage_and_ways_to_end(port: int) -> None:
    told = call(port, path("script:cached=1,cachewrite=9,reasoning=5,tokens=1,finish=filter"), HELLO).json()
    assert told["stopReason"] == "content_filtered"
    usage = told["usage"]
    assert isinstance(usage, dict)
    names = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens", "outputTokens", "totalTokens")
    assert [usage[name] for name in names] == [0, 1, 1, 6, 8]
    assert call(port, path("script:refusal"), HELLO).json()["stopReason"] == "guardrail_intervened"


def test_citations(port: int) -> None:
    block = call(port, path("script:cite=1"), HELLO).json()["output"]["message"]["content"][0]  # type: ignore
    assert block["citationsContent"]["citations"][0]["location"]["web"]["url"] == "https://example.com/source-0"
    kinds = [next(iter(told["delta"])) for kind, told in streamed(port, "script:cite=1") if "delta" in told]  # type: ignore
    assert kinds.count("citation") == 1


# --- signatures


def sign(path: str, body: bytes, *, secret: str = SECRET, at: float | None = None, service: str = "bedrock") -> str:
    """The headers of a signed request, by the recipe on AWS's page."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    scope = f"{stamp[:8]}/us-east-1/{service}/aws4_request"
    canonical = f"POST\n{quote(path, safe='/')}\n\nhost:x\nx-amz-date:{stamp}\n\nhost;x-amz-date\n"
    canonical += hashlib.sha256(body).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for word in scope.split("/"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    told = f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}"
    return f"x-amz-date: {stamp}\r\nauthorization: {told}\r\n"


def signed(port: int, script: str, headers: str) -> Answer:
    return call(port, path(script), HELLO, headers=headers, key="")


@pytest.fixture(scope="module")
def strict() -> Iterator[int]:
    with upstream(aws_access_key=ACCESS, aws_secret_key=SECRET) as port:
        yield port


def test_a_right_signature_is_let_in_and_a_wrong_one_is_not(strict: int) -> None:
    body = json.dumps(HELLO).encode()
    good = sign(path("script:tokens=1"), body)
    assert signed(strict, "script:tokens=1", good).status == 200
    assert signed(strict, "script:tokens=2", good).status == 403
    for headers, kind in (
        (sign(path("m"), body, secret="wrong"), "invalidsignatureexception"),
        (sign(path("m"), body + b" "), "invalidsignatureexception"),
        (sign(path("m"), body, at=time.time() - 400), "invalidsignatureexception"),
        (sign(path("m"), body, service="s3"), "invalidsignatureexception"),
        (sign(path("m"), body).replace(ACCESS, "AKIDOTHER"), "unrecognizedclientexception"),
        (sign(path("m"), body) + "x-amz-security-token: t\r\n", "invalidsignatureexception"),
    ):
        refused = signed(strict, "m", headers)
        assert (refused.status, refused.headers["x-amzn-errortype"].split(":")[0]) == (403, kind)


def test_a_bedrock_api_key_does_as_well(strict: int) -> None:
    assert call(strict, path("m"), HELLO).status == 200
    refused = call(strict, path("m"), HELLO, key="wrong")
    assert (refused.status, refused.json()["message"]) == (
        403,
        "Authentication failed: Please make sure your API Key is valid.",
    )


def test_the_signature_that_aws_publishes_is_right() -> None:
    """The example request of AWS's page on Signature Version 4."""
    told = (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )
    named = [
        (b"Content-Type", b"application/x-www-form-urlencoded; charset=utf-8"),
        (b"Host", b"iam.amazonaws.com"),
        (b"X-Amz-Date", b"20150830T123600Z"),
    ]
    request = Request("GET", "/", {}, named, b"", "/?Action=ListUsers&Version=2010-05-08")
    claim = claim_of(told)
    assert claim is not None
    assert matches(request, claim, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    assert not matches(request, claim, "another")
