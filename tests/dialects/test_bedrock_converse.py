"""Answers of Bedrock's Converse, whole and as frames of an event stream, and its errors."""

from __future__ import annotations

import base64
import json
import struct
import zlib

import pytest

from unigate.conversation import (
    Answer,
    Asked,
    Begin,
    Citation,
    Cited,
    Close,
    Data,
    Delta,
    End,
    Event,
    Foreign,
    Image,
    Open,
    Reason,
    Signed,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.bedrock_converse.answer_reader import ConverseReader
from unigate.dialects.bedrock_converse.errors import read_fault
from unigate.errors import Fault, Kind
from unigate.usage import Usage

OWN = "bedrock.converse"
ASKED = Asked("req_0123456789ab", "m", 0)
USAGE = {"inputTokens": 7, "outputTokens": 5, "totalTokens": 12, "cacheReadInputTokens": 2, "cacheWriteInputTokens": 1}


def frame(kind: str, name: str, value: object) -> bytes:
    """One frame of an event stream: lengths, headers, payload, and the checksums of both."""
    headers = b""
    for key, text in ((f":{kind}-type", name), (":content-type", "application/json"), (":message-type", kind)):
        headers += bytes((len(key),)) + key.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
    payload = json.dumps(value).encode()
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    told = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return told + struct.pack(">I", zlib.crc32(told))


def event(name: str, **value: object) -> bytes:
    """An event as the service writes it, with the padding it adds."""
    return frame("event", name, {**value, "p": "abcdefgh"})


def start(index: int, **block: object) -> bytes:
    return event("contentBlockStart", contentBlockIndex=index, start=block)


def delta(index: int, **piece: object) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=index, delta=piece)


def stop(index: int) -> bytes:
    return event("contentBlockStop", contentBlockIndex=index)


def message(*blocks: bytes, reason: str = "end_turn") -> list[bytes]:
    """A stream with these frames in the middle."""
    return [
        event("messageStart", role="assistant"),
        *blocks,
        event("messageStop", stopReason=reason),
        event("metadata", usage=USAGE, metrics={"latencyMs": 5}),
    ]


TEXT = (delta(0, text="Snow "), delta(0, text="❄"), delta(0, text=""), stop(0))


def read(*pieces: bytes) -> list[Event]:
    reader = ConverseReader(ASKED)
    events = [one for piece in pieces for one in reader.feed(piece)]
    return events + reader.close()


def blocks_of(*frames: bytes) -> list[Event]:
    """What was told between the beginning and the end."""
    return read(*message(*frames))[1:-2]


def whole(*content: object, reason: str = "end_turn", usage: object = USAGE) -> Answer:
    body = {"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": reason}
    return ConverseReader(ASKED).read(json.dumps(body | {"usage": usage}).encode())


def test_a_text_with_its_usage() -> None:
    assert read(*message(*TEXT)) == [
        Begin("", ""),
        Open(0, Text("")),
        Delta(0, "Snow "),
        Delta(0, "❄"),
        Close(0),
        Spent(Usage(10, 5, 2, None, False, 1)),
        End(Reason.STOP),
    ]


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000])
def test_any_cut_says_the_same(size: int) -> None:
    stream = b"".join(message(*TEXT))

    assert read(*(stream[at : at + size] for at in range(0, len(stream), size))) == read(stream)


def test_thoughts_are_signed_and_some_are_hidden() -> None:
    blob = base64.b64encode(b"secret").decode()

    assert blocks_of(
        delta(0, reasoningContent={"text": "Hm."}),
        delta(0, reasoningContent={"signature": "c2ln"}),
        stop(0),
        delta(1, reasoningContent={"redactedContent": base64.b64encode(b"sec").decode()}),
        delta(1, reasoningContent={"redactedContent": base64.b64encode(b"ret").decode()}),
        stop(1),
        delta(2, reasoningContent={"redactedContent": blob}),
        stop(2),
    ) == [
        Open(0, Thinking("", None, OWN)),
        Delta(0, "Hm."),
        Signed(0, "c2ln"),
        Close(0),
        Open(1, Thinking("", blob, OWN, redacted=True)),
        Close(1),
        Open(2, Thinking("", blob, OWN, redacted=True)),
        Close(2),
    ]


def test_calls_of_tools() -> None:
    found = read(
        *message(
            start(0, toolUse={"toolUseId": "t1", "name": "look", "type": "tool_use"}),
            delta(0, toolUse={"input": ""}),
            delta(0, toolUse={"input": '{"at"'}),
            delta(0, toolUse={"input": ":1}"}),
            stop(0),
            start(1, toolUse={"toolUseId": "", "name": "see"}),
            stop(1),
        )
    )

    assert found[1:-2] == [
        Open(0, ToolUse("t1", "look", "")),
        Delta(0, '{"at"'),
        Delta(0, ":1}"),
        Close(0),
        Open(1, ToolUse("call_0123456789ab1", "see", "")),
        Delta(1, "{}"),
        Close(1),
    ]
    assert found[-1] == End(Reason.TOOL_USE)


@pytest.mark.parametrize(
    ("told", "citation"),
    [
        (
            {"title": "Snow", "sourceContent": [{"text": "It "}, {"text": "fell."}],
             "location": {"documentChar": {"documentIndex": 1, "start": 0, "end": 9}}},
            Citation(None, "Snow", "It fell.", document=1),
        ),
        (
            {"title": "Snow", "location": {"documentPage": {"documentIndex": 0, "start": 4, "end": 5}}},
            Citation(None, "Snow", document=0, page=4),
        ),
        (
            {"location": {"web": {"url": "https://a.example", "domain": "a.example"}}},
            Citation("https://a.example"),
        ),
        (
            {"title": "B", "source": "https://b.example", "location": {"searchResultLocation": {"start": 0}}},
            Citation("https://b.example", "B"),
        ),
    ],
)  # fmt: skip
def test_citations(told: dict[str, object], citation: Citation) -> None:
    cited = {"citationsContent": {"content": [{"text": "It "}, {"text": "fell."}], "citations": [told]}}

    assert blocks_of(delta(0, citation=told), delta(0, text="It fell."), stop(0)) == [
        Open(0, Text("")),
        Cited(0, citation),
        Delta(0, "It fell."),
        Close(0),
    ]
    assert whole(cited).blocks == (Text("It fell.", citations=(citation,)),)


def test_hosted_tools_are_kept_whole() -> None:
    call = {"toolUseId": "t1", "name": "nova_grounding", "type": "server_tool_use"}
    result = {"toolUseId": "t1", "type": "nova_grounding_result", "status": "success"}

    found = blocks_of(
        start(0, toolUse=call),
        delta(0, toolUse={"input": '{"query":'}),
        delta(0, toolUse={"input": '"snow"}'}),
        stop(0),
        start(1, toolResult=result),
        delta(1, toolResult=[{"text": "[HIDDEN]"}]),
        delta(1, toolResult=[{"text": "more"}]),
        stop(1),
    )
    at_once = whole({"toolUse": call | {"input": {"query": "snow"}}}, {"toolResult": result | {"content": []}})

    foreign = [one.block for one in found if isinstance(one, Open) and isinstance(one.block, Foreign)]
    assert [(block.origin, block.kind, json.loads(bytes(block.raw))) for block in foreign] == [
        (OWN, "toolUse", {"toolUse": call | {"input": {"query": "snow"}}}),
        (OWN, "toolResult", {"toolResult": result | {"content": [{"text": "[HIDDEN]"}, {"text": "more"}]}}),
    ]
    assert [(type(block), block.kind) for block in at_once.blocks] == [(Foreign, "toolUse"), (Foreign, "toolResult")]
    assert at_once.reason is Reason.STOP


def test_a_block_of_an_unknown_kind_is_kept() -> None:
    found = blocks_of(delta(0, hologram={"width": 1}), delta(0, hologram={"height": 2}), stop(0))
    at_once = whole({"hologram": {"width": 1}}).blocks[0]

    assert isinstance(found[0], Open) and isinstance(found[0].block, Foreign) and isinstance(at_once, Foreign)
    assert json.loads(bytes(found[0].block.raw)) == {"hologram": {"width": 1, "height": 2}}
    assert (found[0].block.kind, at_once.kind) == ("hologram", "hologram")


def test_pictures_the_model_makes() -> None:
    picture = Image(Data("image/png", "QUJD"))
    content = {"format": "png", "source": {"bytes": "QUJD"}}

    assert blocks_of(start(0, image={"format": "png"}), delta(0, image={"source": {"bytes": "QUJD"}}), stop(0)) == [
        Open(0, picture),
        Close(0),
    ]
    assert whole({"image": content}).blocks == (picture,)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", Reason.STOP),
        ("stop_sequence", Reason.STOP_SEQUENCE),
        ("max_tokens", Reason.LENGTH),
        ("model_context_window_exceeded", Reason.LENGTH),
        ("tool_use", Reason.TOOL_USE),
        ("guardrail_intervened", Reason.FILTER),
        ("content_filtered", Reason.FILTER),
    ],
)
def test_reasons_for_the_end(word: str, reason: Reason) -> None:
    assert read(*message(*TEXT, reason=word))[-1] == End(reason)
    assert whole({"text": "So."}, reason=word).reason is reason


@pytest.mark.parametrize("word", ["malformed_model_output", "malformed_tool_use"])
def test_what_the_service_could_not_read_is_no_answer(word: str) -> None:
    with pytest.raises(Fault, match=word):
        whole({"text": "So."}, reason=word)
    with pytest.raises(Fault, match=word):
        read(*message(*TEXT, reason=word))


def test_a_whole_answer() -> None:
    assert whole(
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
        {"text": "So."},
        {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"at": 1}}},
    ) == Answer(
        "",
        "",
        (
            Thinking("Hm.", "c2ln", OWN),
            Thinking("", "c2VjcmV0", OWN, redacted=True),
            Text("So."),
            ToolUse("t1", "look", '{"at": 1}'),
        ),
        Reason.TOOL_USE,
        None,
        Usage(10, 5, 2, None, False, 1),
    )


def test_what_the_cache_keeps_for_an_hour_is_told_apart() -> None:
    written = [{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 5}]
    told = {"inputTokens": 1, "outputTokens": 2, "cacheWriteInputTokens": 9, "cacheDetails": written}

    assert whole({"text": "So."}, usage=told).usage == Usage(10, 2, cache_write_tokens=9, cache_write_hour_tokens=4)


def test_usage_that_makes_no_sense_is_rejected() -> None:
    assert whole({"text": "So."}, usage={"inputTokens": -1}).usage.rejected


def test_usage_that_nobody_told_is_an_estimate() -> None:
    assert whole({"text": "So."}, usage=None).usage == Usage(None, 1, estimated=True)
    assert read(*message(*TEXT)[:-1])[-2] == Spent(Usage(None, 2, estimated=True))


@pytest.mark.parametrize("kept", [0, 1, -2])
def test_a_stream_without_its_end_is_cut_off(kept: int) -> None:
    with pytest.raises(Fault) as caught:
        read(*message(*TEXT)[:kept])
    assert caught.value.kind is Kind.TRUNCATED


def test_a_stream_that_ends_within_a_frame_is_cut_off() -> None:
    with pytest.raises(Fault) as caught:
        read(b"".join(message(*TEXT))[:-5])
    assert caught.value.kind is Kind.TRUNCATED


@pytest.mark.parametrize("content", [b"", b"<html>", b"{}", b'{"output":{"message":{"content":[5]}}}'])
def test_what_is_no_answer_is_a_fault(content: bytes) -> None:
    with pytest.raises(Fault) as caught:
        ConverseReader(ASKED).read(content)
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize(
    "piece",
    [
        event("contentBlockDelta", contentBlockIndex="x"),
        start(0, toolUse={"toolUseId": "t", "name": "look"}) + delta(0, toolUse={"input": {}}),
        event("contentBlockStart", contentBlockIndex=0, start=5),
        delta(0, reasoningContent={"redactedContent": "!"})
        + delta(0, reasoningContent={"redactedContent": "!"})
        + stop(0),
    ],
)
def test_frames_that_make_no_sense_are_a_fault(piece: bytes) -> None:
    with pytest.raises(Fault) as caught:
        ConverseReader(ASKED).feed(piece)
    assert caught.value.kind is Kind.INVALID


def test_an_answer_that_never_said_it_began_nor_closed_its_blocks() -> None:
    call = start(0, toolUse={"toolUseId": "t", "name": "nova_grounding", "type": "server_tool_use"})

    assert read(*message(*TEXT[:-1])[1:]) == read(*message(*TEXT))
    assert read(*message()[1:])[0] == Begin("", "")
    assert [type(one) for one in read(*message(call, stop(0))[1:])] == [Begin, Open, Close, Spent, End]


def test_frames_that_are_not_known_are_passed_over() -> None:
    assert read(event("somethingNew"), *message(*TEXT)) == read(*message(*TEXT))


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("throttlingException", Kind.LIMITED, 429),
        ("validationException", Kind.REJECTED, 400),
        ("modelStreamErrorException", Kind.FAILED, 502),
        ("internalServerException", Kind.FAILED, 502),
        ("serviceUnavailableException", Kind.OVERLOADED, 503),
    ],
)
def test_an_error_within_a_stream(name: str, kind: Kind, status: int) -> None:
    with pytest.raises(Fault) as caught:
        read(message()[0], frame("exception", name, {"message": "Too warm."}))

    told = caught.value.told
    assert (caught.value.kind, told.status) == (kind, status)
    assert "Too warm." in told.message


@pytest.mark.parametrize(
    ("status", "name", "kind", "told"),
    [
        (400, "ValidationException", Kind.REJECTED, 400),
        (403, "AccessDeniedException", Kind.ACCOUNT, 502),
        (403, "ExpiredTokenException", Kind.ACCOUNT, 502),
        (404, "ResourceNotFoundException", Kind.REJECTED, 404),
        (408, "ModelTimeoutException", Kind.SLOW, 504),
        (424, "ModelErrorException", Kind.FAILED, 502),
        (429, "ThrottlingException", Kind.LIMITED, 429),
        (429, "ModelNotReadyException", Kind.OVERLOADED, 503),
        (500, "InternalServerException", Kind.FAILED, 502),
        (503, "ServiceUnavailableException", Kind.OVERLOADED, 503),
        (418, "", Kind.REJECTED, 400),
        (500, "", Kind.FAILED, 502),
    ],
)
def test_errors_of_the_service(status: int, name: str, kind: Kind, told: int) -> None:
    errortype = f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/".encode()

    fault = read_fault(status, {b"x-amzn-errortype": errortype, b"retry-after": b"7"}, b'{"message":"Too warm."}')

    assert (fault.kind, fault.told.status) == (kind, told)
    assert ("Too warm." in fault.told.message) is (kind is not Kind.ACCOUNT)
    if kind is Kind.REJECTED:
        assert fault.told.code == (name or Kind.REJECTED.value)


def test_an_error_without_a_body_that_can_be_read() -> None:
    assert "HTTP 500" in read_fault(500, {}, b"<html>").told.message
    assert "Not today." in read_fault(400, {}, b'{"Message":"Not today."}').told.message
