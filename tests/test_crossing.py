"""A crossing to a target of the same format: what goes up, what comes back, for every way the bytes may be cut."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import pytest

from unigate.call import Call, Caller
from unigate.dialects.crossing import Straight
from unigate.dialects.signatures import wrap
from unigate.dialects.table import DIALECTS
from unigate.errors import Fault, Kind, Refusal
from unigate.mock.ask import Request
from unigate.mock.bill import Bill
from unigate.mock.desk import Desk, Settings
from unigate.secret import Secret
from unigate.target import Provider, Target
from unigate.usage import Usage
from unigate.wire.body import decode_body

CHAT = DIALECTS["openai.chat"]
RESPONSES = DIALECTS["openai.responses"]
FORM = DIALECTS["openai.audio.transcriptions"]
ASKED = {"stream_options": {"include_usage": True}}


# --- what comes back


def upstreams(script: str, path: str = "/v1/chat/completions", **more: object) -> bytes:
    """The body of the stream that the scripted upstream sends for this script."""
    asked = {"model": f"script:{script}", "stream": True, "messages": [], "input": "hi", **more}
    request = Request("POST", path, {}, [], json.dumps(asked).encode())
    wire = b"".join(step.payload for step in Desk(Settings(), Bill()).plan(request, local=True).steps)
    return dechunked(wire.partition(b"\r\n\r\n")[2])


def dechunked(body: bytes) -> bytes:
    told = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        told, body = told + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return told


WIDE = json.dumps({"choices": [{"index": 0, "delta": {"content": "é 你 𝄞🙂"}}]}, ensure_ascii=False).encode()
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
LAST_USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'

STREAMS: dict[str, bytes] = {
    "usage last": upstreams("text=a%20b", **ASKED),
    "no usage": upstreams("text=a%20b"),
    "both line ends": upstreams("crlf,text=a%20b", **ASKED),
    "carriage returns": upstreams("cr,text=a%20b", **ASKED),
    "a byte order mark": upstreams("bom,text=a%20b", **ASKED),
    "comments": upstreams("comments,text=a%20b", **ASKED),
    "no space": upstreams("nospace,text=a%20b", **ASKED),
    "two lines each": upstreams("multiline,text=a%20b", **ASKED),
    "two lines each, no usage": upstreams("multiline,text=a%20b"),
    "no last blank line": upstreams("notail,text=a%20b", **ASKED),
    "no done": upstreams("nodone,text=a%20b", **ASKED),
    "neither done nor finish": upstreams("nodone,nofinish,text=a%20b", **ASKED),
    "after done": upstreams("afterdone,text=a%20b", **ASKED),
    "usage on each event": upstreams("usage=repeated,text=a%20b", **ASKED),
    "usage that makes no sense": upstreams("usage=negative,text=a%20b", **ASKED),
    "wide characters": upstreams("chars=wide,text=a", **ASKED),
    "an error in the middle": upstreams("inband=2,text=a%20b"),
    "an error at once": upstreams("inband=0"),
    "a first chunk without choices": upstreams("emptyfirst,text=a", **ASKED),
    "a tool": upstreams("tool=look", **ASKED),
    "by hand": b"data:%b\n\ndata: %b\r\n\r\n" % (WIDE, WIDE) + END + LAST_USAGE + b"data:[DONE]\n\n",
    "by hand, usage after done": b"data: %b\n\n" % WIDE + END + b"data: [DONE]\n\n" + LAST_USAGE,
    "by hand, done without line end": b"data: %b\n\n" % WIDE + END + b"data: [DONE]",
    "by hand, cut in an event": b"data: %b\n\n" % WIDE + END[:30],
    "nothing": b"",
}


@dataclass(frozen=True)
class Carried:
    """What a client got, how it ended, and what was counted."""

    content: bytes
    fault: Kind | None
    usage: Usage


def carry(pieces: Iterable[bytes], *, asked: bool = False, dialect: str = "openai.chat") -> Carried:
    crossing = Straight(DIALECTS[dialect], asked)
    crossing.begin(b"text/event-stream")
    content = b""
    try:
        for piece in pieces:
            content += crossing.feed(piece)
        content += crossing.close()
    except Fault as fault:
        return Carried(content, fault.kind, crossing.usage)
    return Carried(content, None, crossing.usage)


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("name", STREAMS)
def test_every_cut_gives_the_same_bytes_the_same_end_and_the_same_usage(name: str, asked: bool) -> None:
    stream = STREAMS[name]
    whole = carry([stream], asked=asked)
    assert carry((stream[at : at + 1] for at in range(len(stream))), asked=asked) == whole
    for at in range(len(stream)):
        assert carry([stream[:at], stream[at:]], asked=asked) == whole, f"cut at {at}"
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(50):
        cuts = sorted(chance.choices(range(len(stream) + 1), k=chance.randint(2, 9)))
        pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert carry(pieces, asked=asked) == whole, cuts


@pytest.mark.parametrize("name", ["usage last", "both line ends", "comments", "no done", "wide characters", "a tool"])
def test_a_client_that_asked_gets_the_upstreams_bytes(name: str) -> None:
    assert carry([STREAMS[name]], asked=True).content == STREAMS[name]


def test_a_client_that_did_not_ask_gets_all_but_the_usage_chunk() -> None:
    carried = carry([STREAMS["usage last"]])
    assert carried == Carried(STREAMS["no usage"], None, Usage(0, 2, 0, 0))


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("usage last", None),
        ("no done", None),
        ("by hand", None),
        ("by hand, done without line end", None),
        ("neither done nor finish", Kind.TRUNCATED),
        ("by hand, cut in an event", Kind.TRUNCATED),
        ("nothing", Kind.TRUNCATED),
        ("an error in the middle", Kind.FAILED),
        ("an error at once", Kind.FAILED),
    ],
)
def test_a_stream_ends_well_only_if_the_answer_was_finished(name: str, end: Kind | None) -> None:
    assert carry([STREAMS[name]]).fault == end


def test_the_terminal_event_waits_for_the_end() -> None:
    crossing = Straight(CHAT, shows_usage=False)
    crossing.begin(b"text/event-stream; charset=utf-8")
    stream = STREAMS["usage last"]
    assert b"[DONE]" not in crossing.feed(stream)
    assert crossing.close() == b"data: [DONE]\n\n"


def test_a_stream_that_never_stops_after_its_end_is_a_fault() -> None:
    pieces = [b"data: [DONE]\n\n", *[b"data: %b\n\n" % (b"x" * 65536)] * 200]
    assert carry(pieces).fault is Kind.TOO_LARGE


def test_a_responses_stream_gives_the_same_for_every_cut() -> None:
    stream = upstreams("text=a%20b", "/v1/responses")
    whole = carry([stream], dialect="openai.responses")
    assert whole == Carried(stream, None, Usage(1, 2, 0, 0))
    for at in range(len(stream)):
        assert carry([stream[:at], stream[at:]], dialect="openai.responses") == whole


def test_a_hundred_thousand_tiny_events_pass_in_no_time() -> None:
    event = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    block = event * 1000
    begun = time.process_time()
    carried = carry([*[block] * 100, END, b"data: [DONE]\n\n"])
    assert (carried.fault, carried.usage.output_tokens) == (None, 100_000)
    assert time.process_time() - begun < 4.0


def test_a_whole_answer_comes_at_once_with_its_usage() -> None:
    body = b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}'
    crossing = Straight(CHAT, shows_usage=False)
    crossing.begin(b"application/json")
    assert [crossing.feed(body[:9]), crossing.feed(body[9:]), crossing.close()] == [b"", b"", body]
    assert crossing.usage == Usage(3, 1)


def test_bytes_of_any_kind_pass_as_they_come() -> None:
    crossing = Straight(DIALECTS["openai.audio.speech"], shows_usage=False)
    crossing.begin(b"audio/mpeg")
    assert [crossing.feed(b"\xff\x00"), crossing.feed(b"\n\n"), crossing.close()] == [b"\xff\x00", b"\n\n", b""]


# --- what goes up


def provider(**facts: object) -> Provider:
    return Provider(name="there", endpoints=(), key=Secret("k"), **facts)


def outgoing(body: bytes, to: Provider, *, streamed: bool = False) -> dict[str, object]:
    """What the target is sent for this body."""
    call = Call("1", "openai.chat", Caller("k", "n", "client", None), {}, peer="", started_ns=0)
    call.body = decode_body(body)
    call.streamed = streamed
    return json.loads(Straight(CHAT, shows_usage=False).outgoing(call, Target(to, "their-name")))


def test_what_is_not_understood_is_carried_and_the_model_is_theirs() -> None:
    body = b'{"model":"ours","messages":[{"role":"user","x":1e400}],"new_thing":{"a":[1.0,"\\u00e9"]},"n":1}'
    call = Call("1", "openai.chat", Caller("k", "n", "client", None), {}, peer="", started_ns=0)
    call.body = decode_body(body)
    sent = Straight(CHAT, shows_usage=False).outgoing(call, Target(provider(), "theirs"))
    assert sent == body.replace(b'"ours"', b'"theirs"')


def test_a_row_renames_drops_and_sets() -> None:
    row = provider(
        rename={"max_completion_tokens": "max_tokens", "absent": "x"},
        drop=frozenset({"store", "absent too"}),
        set={"safe": msgspec.Raw(b"true")},
    )
    sent = outgoing(b'{"model":"ours","max_completion_tokens":5,"store":true,"safe":false}', row)
    assert sent == {"model": "their-name", "max_tokens": 5, "safe": True}


def test_a_renamed_key_never_replaces_one_that_was_given() -> None:
    row = provider(rename={"max_completion_tokens": "max_tokens"})
    sent = outgoing(b'{"model":"m","max_tokens":1,"max_completion_tokens":2}', row)
    assert sent == {"model": "their-name", "max_tokens": 1}


LEAN = {"drop": frozenset({"store", "stream_options"}), "rename": {"max_completion_tokens": "max_tokens"}}


def left_out(asked: bytes, *, refuses_hints: bool, dialect: str = "openai.chat") -> tuple[str, ...]:
    """What of this body a row that lacks some words leaves out."""
    call = Call("1", dialect, Caller("k", "n", "client", None), {}, peer="", started_ns=0)
    call.body = decode_body(asked)
    crossing = Straight(DIALECTS[dialect], shows_usage=False)
    crossing.outgoing(call, Target(provider(**LEAN, refuses_hints=refuses_hints), "m"))
    return crossing.dropped


LOST = {
    "dropped by the row": (b'{"model":"m","store":true}', "store"),
    "given twice": (b'{"model":"m","max_tokens":1,"max_completion_tokens":2}', "max_completion_tokens"),
    "thought by another's model": (
        b'{"model":"m","messages":[{"role":"assistant","reasoning_details":[{"signature":"%b"}]}]}'
        % wrap("c2ln", "gemini.generate").encode(),
        "messages[].reasoning_details",
    ),
}


@pytest.mark.parametrize(("asked", "name"), LOST.values(), ids=LOST)
def test_what_a_row_leaves_out_is_told_or_refused_as_its_operator_wishes(asked: bytes, name: str) -> None:
    assert left_out(asked, refuses_hints=False) == (name,)

    with pytest.raises(Refusal) as caught:
        left_out(asked, refuses_hints=True)

    told = caught.value.told
    assert (told.status, told.code, told.param) == (422, "unsupported_parameter", name)
    assert "there has no words for it" in told.message


def test_the_wish_for_usage_is_no_loss_since_the_gateway_grants_it() -> None:
    assert left_out(b'{"model":"m","stream_options":{"include_usage":true}}', refuses_hints=True) == ()


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (b"", {"include_usage": True}),
        (b',"stream_options":null', {"include_usage": True}),
        (b',"stream_options":{"include_usage":false}', {"include_usage": True}),
        (b',"stream_options":{"other":[1]}', {"other": [1], "include_usage": True}),
    ],
)
def test_a_stream_asks_for_usage(options: bytes, sent: dict[str, object]) -> None:
    body = b'{"model":"m","stream":true%b}' % options
    assert outgoing(body, provider(), streamed=True)["stream_options"] == sent


def test_usage_is_not_asked_for_where_it_is_not_understood() -> None:
    body = b'{"model":"m","stream":true}'
    assert outgoing(body, provider(stream_usage=False), streamed=True) == {"model": "their-name", "stream": True}
    assert outgoing(b'{"model":"m"}', provider()) == {"model": "their-name"}


def test_stream_options_of_the_wrong_type_are_refused_by_name() -> None:
    with pytest.raises(Refusal) as caught:
        outgoing(b'{"model":"m","stream_options":7}', provider(), streamed=True)
    assert (caught.value.told.status, caught.value.told.param) == (400, "stream_options")


def test_a_form_keeps_its_bytes_but_for_the_model() -> None:
    content = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="model"\r\n\r\n\x00\r\n--bb\r\n\xff'
        b'\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nours\r\n--b--\r\n'
    )
    call = Call("1", "x", Caller("k", "n", "client", None), {}, peer="", started_ns=0)
    call.content, call.content_type, call.model = content, b'multipart/form-data; boundary="b"', "ours"
    sent = Straight(FORM, shows_usage=False).outgoing(call, Target(provider(), "whisper"))
    assert sent == content.replace(b"\r\n\r\nours", b"\r\n\r\nwhisper")


def test_a_form_is_sent_with_the_model_that_was_judged_and_no_other() -> None:
    content = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ndear\r\n--b--\r\n'
    call = Call("1", "x", Caller("k", "n", "client", None), {}, peer="", started_ns=0)
    call.content, call.content_type, call.model = content, b'multipart/form-data; boundary="b"', "cheap"
    sent = Straight(FORM, shows_usage=False).outgoing(call, Target(provider(), "cheap"))
    assert sent == content.replace(b"dear", b"cheap")


def test_an_upstreams_error_is_kept_short_enough_to_be_written_down() -> None:
    detail = {"message": "m" * 9000, "type": "t" * 9000, "code": "c" * 9000, "param": "p" * 9000}
    told = CHAT.fault(400, {}, json.dumps({"error": detail}).encode()).told
    assert (told.status, told.code, told.param, told.message) == (400, "c" * 200, "p" * 200, "m" * 2000)
