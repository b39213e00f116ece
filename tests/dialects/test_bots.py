"""Bots of Coze and apps of Dify, spoken to: asks written, answers read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import msgspec
import pytest

from unigate.conversation import (
    Answer,
    Ask,
    Asked,
    Audio,
    Begin,
    Block,
    Citation,
    Data,
    Delta,
    Document,
    FileRef,
    Foreign,
    Format,
    HostedTool,
    Image,
    Message,
    Open,
    Part,
    Reason,
    Refused,
    Role,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    Url,
    Video,
)
from unigate.dialects.collect import Collector
from unigate.dialects.coze_chat.answer_reader import CozeReader
from unigate.dialects.coze_chat.dialect import COZE
from unigate.dialects.dialect import AnswerReader, Dialect
from unigate.dialects.dify_chat.answer_reader import DifyReader
from unigate.dialects.dify_chat.dialect import DIFY
from unigate.dialects.losses import Losses, hint, meaning
from unigate.errors import Fault, Kind
from unigate.secret import Secret
from unigate.target import Provider, Target
from unigate.usage import Usage

ASKED = Asked("req_0123456789abcdef", "asked", 1_760_000_000)
HI = (Message(Role.USER, (Text("hi"),)),)
LOOP = (
    Message(Role.SYSTEM, (Text("Be brief."),)),
    Message(Role.USER, (Text("Who?"),)),
    Message(Role.ASSISTANT, (Text("Me."),)),
    Message(Role.USER, (Text("Why?"),)),
)
BOTS = pytest.mark.parametrize("bot", [COZE, DIFY], ids=["coze", "dify"])
SETTINGS = list(Part)[: list(Part).index(Part.MAX_TOKENS)]


def written(bot: Dialect, ask: Ask, model: str = "bot-7") -> tuple[dict[str, object], tuple[str, ...]]:
    """The body that is sent, and the parts of the ask that are not in it."""
    assert bot.provider is not None
    losses = Losses({part.value: hint(part) for part in Part}, "here")
    target = Target(Provider(name="p", endpoints=(), key=Secret("k")), model)
    body: dict[str, object] = json.loads(bot.provider.write_ask(ask, target, losses))
    return body, losses.dropped


def coze(*messages: Message) -> object:
    return written(COZE, Ask(model="m", messages=messages))[0]["additional_messages"]


def dify(*messages: Message, **metadata: str) -> dict[str, object]:
    settings = {Part.METADATA: msgspec.Raw(json.dumps(metadata).encode())} if metadata else {}
    return written(DIFY, Ask(model="m", messages=messages, settings=settings), "app")[0]


# --- what bots cannot be told


@BOTS
@pytest.mark.parametrize(
    ("block", "role", "part"),
    [
        (Thinking("Hm.", "sig", "anthropic.messages"), Role.ASSISTANT, Part.THINKING),
        (Foreign("anthropic.messages", "server_tool_use", msgspec.Raw(b"{}")), Role.ASSISTANT, Part.FOREIGN),
        (ToolResult("a", (Text("x"),)), Role.USER, Part.TOOLS),
        (Image(Data("image/png", "aGk=")), Role.USER, Part.IMAGES),
        (Image(Url("https://x"), "high"), Role.USER, Part.IMAGE_DETAIL),
        (Image(FileRef("file-1", "openai.chat")), Role.USER, Part.FILE_IDS),
        (Document(Data("application/pdf", "aGk=")), Role.USER, Part.DOCUMENTS),
        (Document(Url("https://x"), cited=True), Role.USER, Part.DOCUMENT_CITATIONS),
        (Audio(Data("audio/wav", "aGk=")), Role.USER, Part.AUDIO),
        (Video(Data("video/mp4", "aGk=")), Role.USER, Part.VIDEO),
        (Text("hi", "5m"), Role.USER, Part.CACHE),
    ],
)
def test_what_a_bot_cannot_be_told_is_told_to_the_client(bot: Dialect, block: Block, role: Role, part: Part) -> None:
    assert written(bot, Ask(model="m", messages=(Message(role, (block,)),)))[1] == (part.value,)


@BOTS
def test_a_bots_own_settings_decide(bot: Dialect) -> None:
    ask = Ask(model="m", messages=(Message(Role.USER, (Text("hi"),), "eve"),))
    ask.tools, ask.hosted_tools = (Tool("look"),), (HostedTool("openai.responses", "web_search", msgspec.Raw(b"{}")),)
    ask.stop, ask.effort, ask.thinking_budget, ask.max_tokens = ("x",), "high", 5, 9
    ask.format = Format()
    assert written(bot, ask)[1] == (
        "effort",
        "format",
        "max_tokens",
        "names",
        "stop",
        "thinking_budget",
        "tools",
        "web_search",
    )


@BOTS
def test_tools_that_must_not_be_called_are_no_loss(bot: Dialect) -> None:
    ask = Ask(model="m", messages=HI, tools=(Tool("look"),), tool_choice=ToolChoice("none"))
    assert written(bot, ask)[1] == ()


@BOTS
@pytest.mark.parametrize("part", SETTINGS)
def test_every_setting_is_written_or_told(bot: Dialect, part: Part) -> None:
    found, dropped = written(bot, Ask(model="m", messages=HI, settings={part: msgspec.Raw(b'{"said":"SAID"}')}))
    assert ("SAID" in json.dumps(found)) is (part.value not in dropped)


@BOTS
def test_a_limit_is_never_refused_since_some_clients_must_name_one(bot: Dialect) -> None:
    assert bot.provider is not None
    losses = Losses({"max_tokens": meaning(Part.MAX_TOKENS)}, "here")
    target = Target(Provider(name="p", endpoints=(), key=Secret("k")), "bot-7")
    bot.provider.write_ask(Ask(model="m", messages=HI, max_tokens=9), target, losses)
    assert losses.dropped == ("max_tokens",)


# --- asks of Coze


def test_the_least_that_a_bot_can_be_asked() -> None:
    assert written(COZE, Ask(model="m", messages=HI)) == (
        {
            "bot_id": "7",
            "user_id": "unigate",
            "stream": True,
            "additional_messages": [{"role": "user", "type": "question", "content": "hi", "content_type": "text"}],
        },
        (),
    )


def test_a_conversation_goes_along_with_every_call() -> None:
    assert coze(*LOOP) == [
        {"role": "user", "type": "question", "content": "Be brief.\n\nWho?", "content_type": "text"},
        {"role": "assistant", "type": "answer", "content": "Me.", "content_type": "text"},
        {"role": "user", "type": "question", "content": "Why?", "content_type": "text"},
    ]
    assert coze(LOOP[0]) == [{"role": "user", "type": "question", "content": "Be brief.", "content_type": "text"}]


def test_files_go_by_their_address_or_by_the_id_they_have_there() -> None:
    blocks = (Text("See:"), Image(Url("https://x/y.png")), Document(FileRef("7", "coze.chat")), Refused("No."))
    assert coze(Message(Role.USER, blocks)) == [
        {
            "role": "user",
            "type": "question",
            "content": '[{"type":"text","text":"See:\\n\\nNo."},{"type":"image","file_url":"https://x/y.png"},'
            '{"type":"file","file_id":"7"}]',
            "content_type": "object_string",
        }
    ]


def test_who_asks_and_what_is_kept() -> None:
    settings = {Part.METADATA: msgspec.Raw(b'{"a":"b"}'), Part.STORE: msgspec.Raw(b"false")}
    found, dropped = written(COZE, Ask(model="m", messages=HI, user="u", settings=settings), "7")
    assert (found["bot_id"], found["user_id"], found["meta_data"], found["auto_save_history"], dropped) == (
        "7",
        "u",
        {"a": "b"},
        False,
        (),
    )


def test_in_a_conversation_that_coze_keeps_only_what_is_new_is_sent() -> None:
    def asked(**metadata: str) -> Ask:
        return Ask(model="m", messages=LOOP, settings={Part.METADATA: msgspec.Raw(json.dumps(metadata).encode())})

    assert COZE.provider is not None and COZE.provider.query_of is not None
    for named in ("c 1", "m1.c 1"):
        ask = asked(conversation_id=named, topic="birds")
        found, dropped = written(COZE, ask)
        said = [{"role": "user", "type": "question", "content": "Why?", "content_type": "text"}]
        assert (found["additional_messages"], found["meta_data"], dropped) == (said, {"topic": "birds"}, ())
        assert COZE.provider.query_of(ask) == "conversation_id=c%201"
    assert COZE.provider.query_of(asked(topic="birds")) == ""


@BOTS
def test_metadata_that_are_no_strings_are_told(bot: Dialect) -> None:
    ask = Ask(model="m", messages=HI, settings={Part.METADATA: msgspec.Raw(b'{"conversation_id":7}')})
    assert written(bot, ask)[1] == ("metadata",)


# --- asks of Dify


def test_the_least_that_an_app_can_be_asked() -> None:
    assert dify(*HI) == {
        "inputs": {"model": "app"},
        "query": "hi",
        "response_mode": "streaming",
        "conversation_id": "",
        "user": "unigate",
        "files": [],
        "auto_generate_name": False,
    }


def test_earlier_turns_go_along_in_the_message() -> None:
    assert dify(*LOOP)["query"] == "Be brief.\n\nUser: Who?\n\nAssistant: Me.\n\nUser: Why?"
    assert dify(*LOOP[:2])["query"] == "Be brief.\n\nWho?"


def test_in_a_conversation_that_is_kept_only_what_is_new_is_sent() -> None:
    for named in ("c1", "m1.c1"):
        found = dify(*LOOP, conversation_id=named, topic="birds")
        assert (found["query"], found["conversation_id"], found["inputs"]) == (
            "Why?",
            "c1",
            {"model": "app", "topic": "birds"},
        )


def test_files_of_an_app() -> None:
    blocks = (Image(Url("https://x/y.png")), Document(FileRef("7", "dify.chat"), "a"), Text("See."))
    found = dify(Message(Role.USER, blocks))
    assert (found["query"], found["files"]) == (
        "See.",
        [
            {"type": "image", "transfer_method": "remote_url", "url": "https://x/y.png"},
            {"type": "document", "transfer_method": "local_file", "upload_file_id": "7"},
        ],
    )


# --- answers


def read(reader: AnswerReader, content: bytes) -> Answer:
    return Collector([*reader.feed(content), *reader.close()]).answer()


def told(**fields: object) -> bytes:
    """An event of Coze's."""
    name = str(fields.pop("event"))
    return f"event:{name}\ndata:{json.dumps(fields)}\n\n".encode()


def said(content: str, **fields: object) -> bytes:
    return told(**{"event": "conversation.message.delta", "id": "m1", "type": "answer", "content": content, **fields})


def whole(content: str, **fields: object) -> bytes:
    return said(content, **{"event": "conversation.message.completed", **fields})


CREATED = told(event="conversation.chat.created", id="c1", conversation_id="k1", last_error={"code": 0, "msg": ""})
COMPLETED = told(event="conversation.chat.completed", id="c1", usage={"input_count": 9, "output_count": 5})
DONE = b'event:done\ndata:"[DONE]"\n\n'


def test_a_bots_answer_is_what_it_says_and_nothing_beside_it() -> None:
    content = CREATED + said("", reasoning_content="Hm.") + said("So ") + said("it is.") + whole("So it is.")
    content += whole('{"msg_type":"generate_answer_finish"}', type="verbose", id="m2")
    content += whole("What else?", type="follow_up", id="m3") + said("{}", type="function_call", id="m4")
    assert read(CozeReader(ASKED), content + COMPLETED + DONE) == Answer(
        "c1.k1", "", (Thinking("Hm.", None, "coze.chat"), Text("So it is.")), Reason.STOP, None, Usage(9, 5)
    )


def test_each_message_is_a_text_and_one_may_come_whole() -> None:
    content = CREATED + said("One.") + whole("Two.", id="m2") + whole("One.") + COMPLETED
    assert read(CozeReader(ASKED), content).blocks == (Text("One."), Text("Two."))


def test_counts_have_two_names_and_may_be_missing() -> None:
    other = told(event="conversation.chat.completed", usage={"input_tokens": 9, "output_tokens": 5})
    assert read(CozeReader(ASKED), CREATED + other).usage == Usage(9, 5)
    nothing = told(event="conversation.chat.completed", id="c1")
    assert read(CozeReader(ASKED), said("Hi.") + nothing).usage == Usage(output_tokens=1, estimated=True)


FAILED = told(event="conversation.chat.failed", last_error={"code": 5000, "msg": "event interval error"})


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (FAILED, Kind.FAILED),
        (told(event="error", code=4013, msg="Too many."), Kind.LIMITED),
        (told(event="conversation.chat.requires_action", id="c1"), Kind.INVALID),
        (CREATED, Kind.TRUNCATED),
        (b"event:x\ndata:{no}\n\n", Kind.INVALID),
    ],
)
def test_a_bot_that_fails_is_a_fault(content: bytes, kind: Kind) -> None:
    with pytest.raises(Fault) as raised:
        read(CozeReader(ASKED), content)
    assert raised.value.kind is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (4000, Kind.REJECTED),
        (4100, Kind.ACCOUNT),
        (4200, Kind.REJECTED),
        (4013, Kind.LIMITED),
        (4028, Kind.ACCOUNT),
        (5000, Kind.FAILED),
        (700012006, Kind.ACCOUNT),
        (702042078, Kind.FAILED),
        (0, Kind.INVALID),
    ],
)
def test_an_error_in_place_of_a_stream_has_a_number(code: int, kind: Kind) -> None:
    with pytest.raises(Fault) as raised:
        CozeReader(ASKED).read(json.dumps({"code": code, "msg": "Sorry.", "detail": {}}).encode())
    assert raised.value.kind is kind


def test_errors_that_have_a_status() -> None:
    assert COZE.fault(401, {}, b'{"code":4100,"msg":"No."}').kind is Kind.ACCOUNT
    assert COZE.fault(503, {}, b"<html>").kind is Kind.OVERLOADED
    assert DIFY.fault(429, {}, b'{"code":"rate_limit_error","message":"Later.","status":429}').kind is Kind.LIMITED
    assert DIFY.fault(400, {}, b'{"code":"provider_quota_exceeded","message":"m"}').kind is Kind.ACCOUNT
    assert DIFY.fault(502, {}, b"<html>").kind is Kind.BAD_GATEWAY
    assert DIFY.fault(400, {}, b'{"code":"invalid_param","message":"Say it."}').told.message == "Say it."


def event(name: str, **fields: object) -> bytes:
    """An event of Dify's."""
    place: Mapping[str, object] = {"event": name, "message_id": "m1", "conversation_id": "c1"}
    return f"data: {json.dumps({**place, **fields})}\n\n".encode()


METADATA = {
    "usage": {"prompt_tokens": 9, "completion_tokens": 5},
    "retriever_resources": [{"document_name": "A", "content": "It is so."}],
}
END = event("message_end", metadata=METADATA)
CITED = (Citation(title="A", quote="It is so."),)


def test_an_apps_answer_has_the_conversation_in_its_id() -> None:
    content = (
        b"event: ping\n\n"
        + event("workflow_started")
        + event("message", answer="So ")
        + event("message", answer="it is.")
    )
    expected = Answer("m1.c1", "", (Text("So it is.", citations=CITED),), Reason.STOP, None, Usage(9, 5))
    assert read(DifyReader(ASKED), content + END) == expected


def test_an_agent_repeats_itself_at_the_end() -> None:
    content = event("agent_thought", thought="Hm.") + event("agent_message", answer="So it is.")
    content += event("agent_thought", thought="So it is.") + event("agent_thought", thought="Hm.")
    content += event("message", answer="So it is.") + event("message_end")
    assert read(DifyReader(ASKED), content).blocks == (Thinking("Hm.", None, "dify.chat"), Text("So it is."))


def test_an_agents_last_message_is_not_told_twice_if_it_differs() -> None:
    content = event("agent_message", answer=" So it is.") + event("message", answer="So it is.") + event("message_end")
    assert read(DifyReader(ASKED), content).blocks == (Text(" So it is."),)
    longer = event("agent_message", answer="So") + event("message", answer="So it is.") + event("message_end")
    assert read(DifyReader(ASKED), longer).blocks == (Text("So it is."),)


def test_a_moderators_words_end_an_answer() -> None:
    content = event("message", answer="So ") + event("message_replace", answer="Not here.") + event("message_end")
    found = read(DifyReader(ASKED), content)
    assert (found.blocks, found.reason) == ((Text("So "), Text("Not here.")), Reason.FILTER)


def test_a_whole_answer_of_an_app() -> None:
    body = {"event": "message", "message_id": "m1", "conversation_id": "c1", "answer": "So.", "metadata": METADATA}
    expected = Answer("m1.c1", "", (Text("So.", citations=CITED),), Reason.STOP, None, Usage(9, 5))
    assert DifyReader(ASKED).read(json.dumps(body).encode()) == expected


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (event("error", code="invalid_param", message="m", status=400), Kind.REJECTED),
        (event("error", code="internal_server_error", message="m", status=500), Kind.FAILED),
        (event("error", code="rate_limit_error", message="m"), Kind.LIMITED),
        (event("message", answer="So"), Kind.TRUNCATED),
        (b"data: {no}\n\n", Kind.INVALID),
    ],
)
def test_an_app_that_fails_is_a_fault(content: bytes, kind: Kind) -> None:
    with pytest.raises(Fault) as raised:
        read(DifyReader(ASKED), content)
    assert raised.value.kind is kind


def test_a_whole_error_of_an_app() -> None:
    for content, kind in ((b'{"code":"not_found","message":"m"}', Kind.REJECTED), (b"{}", Kind.INVALID)):
        with pytest.raises(Fault) as raised:
            DifyReader(ASKED).read(content)
        assert raised.value.kind is kind


STREAMS: list[tuple[Callable[[Asked], AnswerReader], bytes]] = [
    (CozeReader, CREATED + said("é 你") + said("!") + COMPLETED + DONE),
    (DifyReader, b"event: ping\n\n" + event("message", answer="é 你") + END),
]


@pytest.mark.parametrize(("new_reader", "content"), STREAMS)
def test_any_cut_gives_the_same_events(new_reader: Callable[[Asked], AnswerReader], content: bytes) -> None:
    expected = read(new_reader(ASKED), content)
    for at in range(len(content)):
        reader = new_reader(ASKED)
        events = [*reader.feed(content[:at]), *reader.feed(content[at:]), *reader.close()]
        assert Collector(events).answer() == expected


def test_a_failure_is_told_after_what_came_before_it() -> None:
    reader = CozeReader(ASKED)
    assert reader.feed(CREATED + said("So") + FAILED) == [Begin("c1.k1", ""), Open(0, Text("")), Delta(0, "So")]
    with pytest.raises(Fault) as raised:
        reader.close()
    assert raised.value.told.message == "The upstream failed (HTTP 500): event interval error"
