"""What a client asks in Gemini's generateContent, as the neutral model has it."""

from __future__ import annotations

import json

import msgspec
import pytest

from unigate.conversation import (
    Ask,
    Audio,
    Block,
    Data,
    Document,
    FileRef,
    Foreign,
    Format,
    HostedTool,
    Image,
    Message,
    Role,
    Text,
    Thinking,
    ToolChoice,
    ToolResult,
    ToolUse,
    Url,
    Video,
)
from unigate.dialects.gemini_generate.count import count_body, read_count_ask
from unigate.dialects.gemini_generate.fields import CONFIG, FIELDS
from unigate.dialects.gemini_generate.request_reader import read_ask
from unigate.dialects.losses import Losses
from unigate.dialects.signatures import wrap
from unigate.errors import Refusal
from unigate.parts import Part
from unigate.wire.body import Body, decode_body

OWN = "gemini.generate"
HI = [{"role": "user", "parts": [{"text": "Hi"}]}]


def body_of(fields: dict[str, object]) -> Body:
    return decode_body(json.dumps(fields).encode())


def asked(**fields: object) -> Ask:
    return read_ask(body_of({"contents": HI} | fields), "m", streamed=False)


def configured(**config: object) -> Ask:
    return asked(generationConfig=config)


def said(*parts: object, role: str = "user") -> tuple[Block, ...]:
    """The blocks of one message with these parts."""
    (message,) = asked(contents=[{"role": role, "parts": list(parts)}]).messages
    return message.blocks


def refused(**fields: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        asked(**fields)
    return caught.value


def plain(raw: msgspec.Raw | None) -> object:
    return None if raw is None else json.loads(bytes(raw))


# --- contents


def test_a_plain_question() -> None:
    ask = asked()

    assert (ask.model, ask.streamed, ask.messages) == ("m", False, (Message(Role.USER, (Text("Hi"),)),))
    assert (ask.settings, ask.others, ask.unknown) == ({}, (), ())


def test_lists_may_be_single_objects_and_names_have_two_spellings() -> None:
    ask = asked(
        contents={"parts": {"text": "Hi"}},
        system_instruction={"parts": {"text": "Be brief."}},
        tools={"function_declarations": {"name": "look", "parameters_json_schema": {"a_b": {"c_d": 1}}}},
        tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["look"]}},
        generation_config={"max_output_tokens": 5, "stop_sequences": ["x"], "top_k": 4.0},
    )

    assert ask.messages == (Message(Role.SYSTEM, (Text("Be brief."),)), Message(Role.USER, (Text("Hi"),)))
    assert (ask.tools[0].name, plain(ask.tools[0].schema)) == ("look", {"a_b": {"c_d": 1}})
    assert ask.tool_choice == ToolChoice("named", ("look",))
    assert (ask.max_tokens, ask.stop, plain(ask.settings[Part.TOP_K])) == (5, ("x",), 4)


def test_pictures_sounds_films_and_documents_are_told_by_their_media_type() -> None:
    kinds = {"image/png": Image, "audio/wav": Audio, "video/mp4": Video, "application/pdf": Document}

    for media_type, kind in kinds.items():
        assert said({"inlineData": {"mimeType": media_type, "data": "AAAA"}}) == (kind(Data(media_type, "AAAA")),)


def test_the_url_safe_alphabet_becomes_the_standard_one() -> None:
    assert said({"inline_data": {"mime_type": "image/png", "data": "_-8="}}) == (Image(Data("image/png", "/+8=")),)


def test_an_uploaded_file_is_the_services_own_and_an_address_is_everyones() -> None:
    uploaded = "https://generativelanguage.googleapis.com/v1beta/files/abc"

    assert said({"fileData": {"fileUri": uploaded, "mimeType": "application/pdf"}}) == (
        Document(FileRef(uploaded, OWN)),
    )
    assert said({"fileData": {"fileUri": "gs://b/x.png", "mimeType": "image/png"}}) == (
        Image(Url("gs://b/x.png", "image/png")),
    )
    assert said({"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}}) == (
        Video(Url("https://www.youtube.com/watch?v=1")),
    )


def test_the_pieces_of_a_streamed_answer_come_back_as_one_message() -> None:
    ask = asked(
        contents=[
            *HI,
            {"role": "model", "parts": [{"text": "Let me ", "thought": True}]},
            {"role": "model", "parts": [{"text": "see.", "thought": True}]},
            {"role": "model", "parts": [{"text": "It "}]},
            {"role": "model", "parts": [{"text": "is."}, {"text": "", "thoughtSignature": "c2ln"}]},
        ]
    )

    assert ask.messages[1:] == (
        Message(Role.ASSISTANT, (Thinking("Let me see.", origin=OWN), Text("It is."), Thinking("", "c2ln", OWN))),
    )


def test_a_role_that_nobody_has_is_refused() -> None:
    refusal = refused(contents=[*HI, {"role": "narrator", "parts": []}])

    assert (refusal.told.status, refusal.told.param) == (400, "contents[1].role")


def test_what_googles_own_tools_did_stays_as_it_is() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2ln"}
    (block,) = said(code, role="model")

    assert isinstance(block, Foreign)
    assert (block.origin, block.kind, plain(block.raw)) == (OWN, "executableCode", code)


# --- signatures


def test_a_signature_stands_before_what_it_hangs_on() -> None:
    call = {"functionCall": {"name": "look", "args": {"at": 1}, "id": "c1"}, "thoughtSignature": "c2ln"}

    assert said(call, role="model") == (Thinking("", "c2ln", OWN), ToolUse("c1", "look", '{"at": 1}'))


def test_a_wrapped_signature_goes_back_to_the_thought_it_was_made_for() -> None:
    slot = wrap("sig?>", "anthropic.messages")
    url_safe = slot.replace("+", "-").replace("/", "_")  # as the Python SDK sends it back
    thought = {"text": "Hm.", "thought": True}
    call = {"functionCall": {"name": "look", "id": "c1"}, "thoughtSignature": url_safe}
    made = ToolUse("c1", "look", "{}")

    assert said(thought, call, role="model") == (Thinking("Hm.", "sig?>", "anthropic.messages"), made)
    assert said(call, role="model") == (Thinking("", "sig?>", "anthropic.messages"), made)


def test_a_redacted_thought_is_known_again() -> None:
    slot = wrap("secret", "anthropic.messages+redacted")

    assert said({"text": "", "thoughtSignature": slot}, role="model") == (
        Thinking("", "secret", "anthropic.messages", redacted=True),
    )


def test_a_thought_whose_words_were_not_shown_is_known_as_such() -> None:
    slot = wrap("sig", "anthropic.messages+partial")

    assert said({"text": "Hi", "thoughtSignature": slot}, role="model") == (
        Thinking("", "sig", "anthropic.messages", partial=True),
        Text("Hi"),
    )


def test_googles_placeholder_is_no_signature() -> None:
    call = {"functionCall": {"name": "look"}, "thoughtSignature": "skip_thought_signature_validator"}

    assert said(call, role="model") == (ToolUse("call_1", "look", "{}"),)


# --- tools


def test_results_without_ids_answer_the_waiting_calls_of_their_name_in_order() -> None:
    ask = asked(
        contents=[
            {
                "role": "model",
                "parts": [
                    {"functionCall": {"name": "look", "args": {"at": 1}}},
                    {"functionCall": {"name": "ask", "id": "own"}},
                    {"functionCall": {"name": "look", "args": {"at": 2}}},
                ],
            },
            {
                "role": "function",
                "parts": [
                    {"functionResponse": {"name": "ask", "response": {"error": "no"}}},
                    {"functionResponse": {"name": "look", "response": {"output": "a"}}},
                    {"functionResponse": {"name": "look", "response": {"deep": [1]}}},
                ],
            },
        ]
    )
    calls = [block for block in ask.messages[0].blocks if isinstance(block, ToolUse)]

    assert [call.id for call in calls] == ["call_1", "own", "call_3"]
    assert ask.messages[1] == Message(
        Role.USER,
        (
            ToolResult("own", (Text("no"),), True, "ask"),
            ToolResult("call_1", (Text("a"),), False, "look"),
            ToolResult("call_3", (Text('{"deep": [1]}'),), False, "look"),
        ),
    )


def test_a_result_may_show_pictures() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    stored = {"fileData": {"mimeType": "image/png", "fileUri": "gs://a"}}
    response = {"name": "look", "id": "c1", "response": {"result": "see"}}
    inside = Image(Data("image/png", "AAAA"))

    assert said({"functionResponse": {**response, "parts": [picture, stored, {}]}}) == (
        ToolResult("c1", (Text("see"), inside, Image(Url("gs://a", "image/png"))), False, "look"),
    )
    assert said({"functionResponse": {**response, "parts": picture}}) == (
        ToolResult("c1", (Text("see"), inside), False, "look"),
    )


def test_broken_text_in_a_result_is_refused_by_its_place() -> None:
    broken = b'{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{"output":"\xff"}}}]}]}'

    with pytest.raises(Refusal) as caught:
        read_ask(decode_body(broken), "m", streamed=False)
    assert caught.value.told.param == "contents[].parts[].functionResponse.response"


def test_broken_text_in_arguments_is_made_readable() -> None:
    broken = b'{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":"\xff"}}}]}]}'
    ask = read_ask(decode_body(broken), "m", streamed=False)

    assert ask.messages[0].blocks == (ToolUse("call_1", "f", '{"a":"\ufffd"}'),)


def test_a_schema_of_openapi_becomes_json_schema() -> None:
    given = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "enum": ["a", "b"], "nullable": True},
            "many": {"type": "ARRAY", "items": {"type": 3}, "max_items": "5", "minItems": "1"},
            "either": {"any_of": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": True, "example": 1},
        },
        "required": ["type"],
        "property_ordering": ["type", "many"],
    }
    ask = asked(tools=[{"functionDeclarations": [{"name": "f", "description": "F.", "parameters": given}]}])

    assert plain(ask.tools[0].schema) == {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["a", "b", None]},
            "many": {"type": "array", "items": {"type": "integer"}, "maxItems": 5, "minItems": 1},
            "either": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}], "examples": [1]},
        },
        "required": ["type"],
    }


def test_hosted_tools_stay_as_they_are() -> None:
    ask = asked(tools=[{"google_search": {}}, {"urlContext": {}, "codeExecution": None}])

    assert [(tool.origin, tool.kind, plain(tool.raw)) for tool in ask.hosted_tools] == [
        (OWN, "googleSearch", {"googleSearch": {}}),
        (OWN, "urlContext", {"urlContext": {}}),
    ]
    assert isinstance(ask.hosted_tools[0], HostedTool)


@pytest.mark.parametrize(
    ("calling", "choice"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": "ANY"}, ToolChoice("required")),
        ({"mode": "ANY", "allowedFunctionNames": ["a", "b"]}, ToolChoice("named", ("a", "b"))),
        ({"mode": "VALIDATED"}, ToolChoice("auto")),
        ({}, None),
    ],
)
def test_which_tools_to_call(calling: object, choice: ToolChoice | None) -> None:
    assert asked(toolConfig={"functionCallingConfig": calling}).tool_choice == choice


def test_where_only_some_tools_are_allowed_the_others_are_not_offered() -> None:
    ask = asked(
        tools=[{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}],
        toolConfig={"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["b"]}},
    )

    assert ([tool.name for tool in ask.tools], ask.tool_choice) == (["b"], ToolChoice("auto"))
    assert ask.others == ("toolConfig.functionCallingConfig.mode.VALIDATED",)


def test_a_mode_that_does_not_exist_is_refused() -> None:
    refusal = refused(toolConfig={"functionCallingConfig": {"mode": "SOMETIMES"}})

    assert refusal.told.param == "toolConfig.functionCallingConfig.mode"


# --- the generation config


def test_plain_settings_travel_as_they_came() -> None:
    values: dict[str, object] = dict.fromkeys(CONFIG, 2)
    ask = configured(**values | {"responseLogprobs": True})

    assert {part: plain(raw) for part, raw in ask.settings.items()} == {
        part: True if part is Part.LOGPROBS else 2 for part in CONFIG.values()
    }
    assert configured(candidateCount=1, topP=None).settings == {}


@pytest.mark.parametrize(
    ("thinking", "expected"),
    [
        ({"thinkingBudget": 0}, ("none", None, False)),
        ({"thinkingBudget": -1, "includeThoughts": True}, (None, None, True)),
        ({"thinkingBudget": 1024}, (None, 1024, False)),
        ({"thinkingLevel": "LOW"}, ("low", None, False)),
        ({"thinking_level": "THINKING_LEVEL_UNSPECIFIED"}, (None, None, False)),
    ],
)
def test_how_much_to_think(thinking: object, expected: tuple[str | None, int | None, bool | None]) -> None:
    ask = configured(thinkingConfig=thinking)

    assert (ask.effort, ask.thinking_budget, ask.thinking_shown) == expected


@pytest.mark.parametrize(
    ("config", "schema"),
    [
        ({"responseMimeType": "application/json"}, None),
        ({"responseFormat": {"text": {"mimeType": "APPLICATION_JSON"}}}, None),
        ({"responseMimeType": "application/json", "responseSchema": {"type": "STRING"}}, {"type": "string"}),
        ({"responseSchema": {"type": "STRING"}, "responseMimeType": "application/json"}, {"type": "string"}),
        ({"responseJsonSchema": {"type": "string"}}, {"type": "string"}),
        ({"_responseJsonSchema": {"type": "string"}}, {"type": "string"}),
        (
            {"responseFormat": {"text": {"mimeType": "APPLICATION_JSON", "schema": {"type": "string"}}}},
            {"type": "string"},
        ),
    ],
)
def test_the_form_of_the_answer(config: dict[str, object], schema: object) -> None:
    ask = configured(**config)

    assert isinstance(ask.format, Format)
    assert plain(ask.format.schema) == schema


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"responseModalities": ["TEXT", "AUDIO"]}, "responseModalities"),
        ({"responseMimeType": "text/x.enum"}, "responseMimeType"),
        ({"responseFormat": {"image": {}}}, "responseFormat"),
    ],
)
def test_a_form_that_only_gemini_has_is_meaning(config: dict[str, object], name: str) -> None:
    ask = configured(**config)

    with pytest.raises(Refusal) as caught:
        Losses(FIELDS, "other").begin(ask)
    assert (caught.value.told.status, caught.value.told.param) == (422, f"generationConfig.{name}")


def test_plain_text_is_no_form() -> None:
    ask = configured(responseMimeType="text/plain", responseModalities=["TEXT"])

    assert (ask.format, ask.others) == (None, ())


# --- what nobody else knows


def test_what_only_gemini_knows_is_told_by_name_and_what_nobody_knows_too() -> None:
    ask = asked(
        safetySettings=[],
        labels={"team": "a"},
        store=False,
        shoeSize=43,
        contents=[{"parts": [{"text": "Hi", "videoMetadata": {}, "weight": 1}]}],
        generationConfig={
            "speechConfig": {},
            "shoe": 1,
            "thinkingConfig": {"shoe": 1},
            "responseFormat": {"text": {"mimeType": "TEXT_PLAIN"}, "shoe": 1},
        },
        toolConfig={"retrievalConfig": {}},
        systemInstruction={"parts": [], "shoe": 1},
        tools=[{"functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]}],
        model="models/m",
    )
    losses = Losses(FIELDS, "other")
    losses.begin(ask)

    assert losses.dropped == (
        "contents[].parts[].videoMetadata",
        "contents[].parts[].weight",
        "generationConfig.responseFormat.shoe",
        "generationConfig.shoe",
        "generationConfig.speechConfig",
        "generationConfig.thinkingConfig.shoe",
        "safetySettings",
        "shoeSize",
        "systemInstruction.shoe",
        "toolConfig.retrievalConfig",
        "tools[].functionDeclarations[].behavior",
    )
    assert ask.others == ("safetySettings", "generationConfig.speechConfig")
    assert {part: plain(raw) for part, raw in ask.settings.items()} == {
        Part.METADATA: {"team": "a"},
        Part.STORE: False,
    }


def test_cached_content_is_meaning() -> None:
    with pytest.raises(Refusal) as caught:
        Losses(FIELDS, "other").begin(asked(cachedContent="cachedContents/x"))

    assert caught.value.told.param == "cachedContent"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"contents": None}, "contents"),
        ({"contents": [{"parts": [{"text": 1}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{"functionResponse": {"name": "f", "response": [1]}}]}]}, None),
        ({"generationConfig": []}, "generationConfig"),
        ({"generationConfig": {"maxOutputTokens": "x"}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"topK": 1.5}}, "generationConfig.topK"),
        ({"tools": [{"functionDeclarations": [{"parameters": {}}]}]}, "tools[].functionDeclarations[0]"),
        (
            {"tools": [{"functionDeclarations": [{"name": "f", "parameters": 1}]}]},
            "tools[].functionDeclarations[].parameters",
        ),
        ({"labels": {"a": 1}}, None),
    ],
)
def test_bad_input_is_refused_by_its_place(fields: dict[str, object], param: str | None) -> None:
    refusal = refused(**fields)

    assert refusal.told.status == 400
    assert param is None or refusal.told.param == param


def test_tokens_are_counted_of_the_request_or_of_the_one_in_it() -> None:
    inner = {"model": "models/m", "contents": HI, "systemInstruction": {"parts": [{"text": "Be brief."}]}}

    assert len(read_count_ask(body_of({"contents": HI}), "m").messages) == 1
    assert len(read_count_ask(body_of({"generateContentRequest": inner}), "m").messages) == 2
    assert json.loads(count_body(7))["totalTokens"] == 7
