"""Embeddings between formats: each field, each loss, base64 both ways, usage, and every pair through a gateway."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Mapping
from itertools import product

import pytest
from msgspec import Raw

from dialects.conversions import carry, carry_straight, sent
from recordings.replay import facts, find, response_bytes
from unigate.dialects.conversion import Embedding
from unigate.dialects.converted import convert
from unigate.dialects.losses import Weight
from unigate.dialects.table import DIALECTS, dialect_for
from unigate.errors import Fault, Kind, Refusal
from unigate.routing.catalog import demo_way
from unigate.secret import Secret
from unigate.target import Demo, Endpoint, Provider, Target
from unigate.usage import REJECTED, Usage

TWO = {"model": "m", "input": ["first", "second"]}
NUMBERS = [[0.5, -2.0], [1.25, 3.0]]

# What each service would say of two texts.
ANSWERS: Mapping[str, object] = {
    "openai.embeddings": {
        "object": "list",
        "model": "there-1",
        "data": [
            {"object": "embedding", "index": 1, "embedding": NUMBERS[1]},
            {"object": "embedding", "index": 0, "embedding": NUMBERS[0]},
        ],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    },
    "gemini.batch_embed": {
        "embeddings": [{"values": one} for one in NUMBERS],
        "usageMetadata": {"promptTokenCount": 7},
    },
    "cohere.embed": {
        "id": "e1",
        "embeddings": {"float": NUMBERS},
        "texts": ["first", "second"],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7.0}},
    },
    "ollama.embed": {"model": "there-1", "embeddings": NUMBERS, "total_duration": 5, "prompt_eval_count": 7},
}
# How each client asks for two vectors of two numbers.
ASKS: Mapping[str, object] = {
    "openai.embeddings": {**TWO, "dimensions": 2},
    "gemini.batch_embed": {
        "requests": [
            {"model": "models/m", "content": {"parts": [{"text": text}]}, "outputDimensionality": 2}
            for text in ("first", "second")
        ]
    },
    "ollama.embed": {**TWO, "dimensions": 2},
}
SENT: Mapping[str, object] = {
    "openai.embeddings": {"model": "model-there", "input": ["first", "second"], "dimensions": 2},
    "gemini.batch_embed": {
        "requests": [
            {"model": "models/model-there", "outputDimensionality": 2, "content": {"parts": [{"text": text}]}}
            for text in ("first", "second")
        ]
    },
    "cohere.embed": {
        "model": "model-there",
        "input_type": "search_document",
        "texts": ["first", "second"],
        "embedding_types": ["float"],
        "output_dimension": 2,
    },
    "ollama.embed": {"model": "model-there", "input": ["first", "second"], "dimensions": 2},
}
PAIRS = [(asked, spoken) for asked, spoken in product(ASKS, SENT) if asked != spoken]


def told(client: str, model: str) -> object:
    """What a client must be told of the two vectors."""
    if client == "openai.embeddings":
        data = [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(NUMBERS)]
        return {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    if client == "gemini.batch_embed":
        return ANSWERS[client]
    return {"model": model, "embeddings": NUMBERS, "prompt_eval_count": 7}


@pytest.mark.parametrize(("asked", "spoken"), PAIRS)
def test_every_format_is_carried_into_every_other(asked: str, spoken: str) -> None:
    carried = carry(asked, spoken, ASKS[asked], ANSWERS[spoken])

    model = "there-1" if spoken in ("openai.embeddings", "ollama.embed") else "model-there"
    assert carried.request == SENT[spoken]
    assert carried.answer == told(asked, model)
    assert (carried.usage, carried.dropped) == (Usage(7), ())


def test_the_digits_of_a_vector_stay_as_they_came() -> None:
    answer = b'{"embeddings":[[0.10000000149011612,1e-7,-0.0]]}'
    crossed = carry("ollama.embed", "ollama.embed", {"model": "m", "input": "a"}, answer)
    assert json.dumps(crossed.answer["embeddings"]) == "[[0.10000000149011612, 1e-07, -0.0]]"


def test_base64_is_little_endian_floats_both_ways() -> None:
    packed = [base64.b64encode(struct.pack("<2f", *one)).decode() for one in NUMBERS]

    asked = carry("openai.embeddings", "ollama.embed", {**TWO, "encoding_format": "base64"}, ANSWERS["ollama.embed"])
    answer = {"data": [{"index": index, "embedding": one} for index, one in enumerate(packed)]}
    given = carry("ollama.embed", "openai.embeddings", TWO, answer)

    assert [one["embedding"] for one in asked.answer["data"]] == packed  # type: ignore[index, union-attr]
    assert given.answer == {"model": "model-there", "embeddings": NUMBERS}


def test_one_text_may_be_asked_for_alone() -> None:
    answer = {"embeddings": {"float": [[1.0]]}, "meta": {"billed_units": {"input_tokens": 1}}}
    gemini = carry("gemini.embed", "cohere.embed", {"content": {"parts": [{"text": "a"}, {"text": "b"}]}}, answer)
    ollama = carry("ollama.embeddings", "cohere.embed", {"model": "m", "prompt": "ab"}, answer)

    assert gemini.request["texts"] == ollama.request["texts"] == ["ab"]
    assert gemini.answer == {"embedding": {"values": [1.0]}, "usageMetadata": {"promptTokenCount": 1}}
    assert ollama.answer == {"embedding": [1.0]}


def test_usage_that_was_not_told_is_not_invented() -> None:
    crossed = carry("openai.embeddings", "gemini.batch_embed", TWO, {"embeddings": [{"values": [1]}, {"values": [2]}]})
    assert (crossed.answer["usage"], crossed.usage) == (None, Usage())


# --- what is asked


@pytest.mark.parametrize(
    ("said", "task", "input_type", "dropped_by_cohere"),
    [
        ("RETRIEVAL_QUERY", "RETRIEVAL_QUERY", "search_query", ()),
        ("RETRIEVAL_DOCUMENT", "RETRIEVAL_DOCUMENT", "search_document", ()),
        ("CLASSIFICATION", "CLASSIFICATION", "classification", ()),
        ("CLUSTERING", "CLUSTERING", "clustering", ()),
        ("SEMANTIC_SIMILARITY", "SEMANTIC_SIMILARITY", "search_document", ("taskType",)),
        ("CODE_RETRIEVAL_QUERY", "CODE_RETRIEVAL_QUERY", "search_query", ("taskType",)),
        ("TASK_TYPE_UNSPECIFIED", None, "search_document", ()),
        ("NEW_TASK", None, "search_document", ("taskType",)),
    ],
)
def test_a_purpose_is_carried_where_there_are_words_for_it(
    said: str, task: str | None, input_type: str, dropped_by_cohere: tuple[str, ...]
) -> None:
    ask = {"content": {"parts": [{"text": "a"}]}, "taskType": said}

    cohere, dropped = sent("gemini.embed", "cohere.embed", ask)
    gemini, _ = sent("gemini.embed", "gemini.batch_embed", ask)
    openai_, lost = sent("gemini.embed", "openai.embeddings", ask)

    assert (cohere["input_type"], dropped) == (input_type, dropped_by_cohere)
    assert gemini["requests"][0].get("taskType") == task  # type: ignore[index, union-attr]
    assert (openai_, lost) == (
        {"model": "model-there", "input": ["a"]},
        () if said == "TASK_TYPE_UNSPECIFIED" else ("taskType",),
    )


def test_a_user_is_carried_to_services_that_know_users() -> None:
    request, dropped = sent("openai.embeddings", "openai.embeddings", {**TWO, "user": "u"})
    assert (request["user"], dropped) == ("u", ())


@pytest.mark.parametrize(("word", "input_type"), [("query", "search_query"), ("search_document", "search_document")])
def test_a_client_of_openai_may_add_a_purpose(word: str, input_type: str) -> None:
    request, dropped = sent("openai.embeddings", "cohere.embed", {**TWO, "input_type": word})
    assert (request["input_type"], dropped) == (input_type, ())


def test_the_row_of_a_provider_has_the_last_word() -> None:
    request, dropped = sent(
        "openai.embeddings", "cohere.embed", TWO, set={"input_type": Raw(b'"clustering"')}, drop=frozenset({"texts"})
    )
    assert (request["input_type"], dropped) == ("clustering", ("texts",))


@pytest.mark.parametrize(
    ("asked", "said", "cohere", "ollama"),
    [
        ("openai.embeddings", {"truncate": "END"}, "END", True),
        ("openai.embeddings", {"truncate": "NONE"}, "NONE", False),
        ("openai.embeddings", {"truncate": False}, "NONE", False),
        ("openai.embeddings", {"truncate": "START"}, "START", None),
        ("ollama.embed", {"truncate": True}, "END", True),
        ("ollama.embed", {"truncate": False}, "NONE", False),
        ("ollama.embed", {"truncate": None}, None, None),
    ],
)
def test_what_to_cut_of_a_long_text(asked: str, said: dict, cohere: str | None, ollama: bool | None) -> None:
    at_cohere, _ = sent(asked, "cohere.embed", TWO | said)
    at_ollama, lost = sent(asked, "ollama.embed", TWO | said)
    _, lost_at_gemini = sent(asked, "gemini.batch_embed", TWO | said)

    assert (at_cohere.get("truncate"), at_ollama.get("truncate")) == (cohere, ollama)
    assert lost == (("truncate",) if said["truncate"] == "START" else ())
    assert lost_at_gemini == (("truncate",) if cohere else ())


def test_both_spellings_and_the_newer_place_of_google_are_read() -> None:
    config = {"taskType": "CLUSTERING", "title": "T", "outputDimensionality": 3, "autoTruncate": False}
    newer = {"content": {"parts": {"text": "a"}}, "embedContentConfig": config}
    snake = {"content": {"parts": [{"text": "a"}]}, "task_type": "CLUSTERING", "title": "T", "output_dimensionality": 3}

    request, dropped = sent("gemini.embed", "gemini.batch_embed", newer)

    assert (request, dropped) == (
        sent("gemini.embed", "gemini.batch_embed", snake)[0],
        ("embedContentConfig.autoTruncate",),
    )
    assert request["requests"] == [
        {
            "model": "models/model-there",
            "taskType": "CLUSTERING",
            "title": "T",
            "outputDimensionality": 3,
            "content": {"parts": [{"text": "a"}]},
        }
    ]


def test_what_differs_between_requests_cannot_be_one_ask() -> None:
    one = {"content": {"parts": [{"text": "a"}]}, "taskType": "CLUSTERING", "title": "A"}
    other = {"content": {"parts": [{"text": "b"}]}, "taskType": "CLASSIFICATION", "title": "B"}

    request, dropped = sent("gemini.batch_embed", "cohere.embed", {"requests": [one, other]})

    assert (request["input_type"], dropped) == ("search_document", ("requests[].taskType", "requests[].title"))
    with pytest.raises(Refusal) as refused:
        sizes = [{**one, "outputDimensionality": 2}, {**other, "outputDimensionality": 3}]
        sent("gemini.batch_embed", "cohere.embed", {"requests": sizes})
    assert (refused.value.told.status, refused.value.told.param) == (422, "requests[].outputDimensionality")


@pytest.mark.parametrize(
    ("asked", "ask", "dropped"),
    [
        ("openai.embeddings", {**TWO, "user": "u", "weight": 1, "nothing": None}, ("user", "weight")),
        ("openai.embeddings", {**TWO, "input_type": "new", "truncate": 9}, ("input_type", "truncate")),
        (
            "ollama.embed",
            {**TWO, "options": {"num_ctx": 9}, "keep_alive": "5m", "odd": 1},
            ("keep_alive", "odd", "options"),
        ),
        ("ollama.embeddings", {"model": "m", "prompt": "a", "options": {}, "odd": 1}, ("odd", "options")),
        ("gemini.embed", {"content": {"parts": [{"text": "a", "x": 1}]}, "y": 1}, ("content.parts[].x", "y")),
        ("gemini.embed", {"content": {"parts": [{"text": "a"}], "role": "user"}, "title": "T"}, ("title",)),
        (
            "gemini.batch_embed",
            {"requests": [{"content": {"parts": []}, "z": 1}], "more": 1},
            ("more", "requests[].z"),
        ),
    ],
)
def test_what_was_left_out_is_told(asked: str, ask: object, dropped: tuple[str, ...]) -> None:
    assert sent(asked, "cohere.embed", ask)[1] == dropped


@pytest.mark.parametrize(
    ("asked", "ask", "param"),
    [
        ("openai.embeddings", {"model": "m", "input": [1, 2]}, "input[].tokens"),
        ("openai.embeddings", {"model": "m", "input": [[1], [2]]}, "input[].tokens"),
        ("openai.embeddings", {"model": "m", "input": ["a", [2]]}, "input[].tokens"),
        ("gemini.embed", {"content": {"parts": [{"inlineData": {"data": "AA=="}}]}}, "content.parts[].inlineData"),
        (
            "gemini.batch_embed",
            {"requests": [{"content": {"parts": [{"file_data": {"file_uri": "u"}}]}}]},
            "requests[].content.parts[].fileData",
        ),
    ],
)
def test_what_the_target_has_no_words_for_is_refused_by_name(asked: str, ask: object, param: str) -> None:
    with pytest.raises(Refusal) as refused:
        sent(asked, "cohere.embed", ask)
    assert (refused.value.told.status, refused.value.told.param) == (422, param)


@pytest.mark.parametrize(
    ("asked", "ask", "param"),
    [
        ("openai.embeddings", {"model": "m"}, "input"),
        ("openai.embeddings", {"model": "m", "input": {"a": 1}}, "input"),
        ("openai.embeddings", {"model": "m", "input": "a", "encoding_format": "int8"}, "encoding_format"),
        ("openai.embeddings", {"model": "m", "input": "a", "dimensions": "2"}, "dimensions"),
        ("ollama.embed", {"model": "m"}, "input"),
        ("ollama.embed", {"model": "m", "input": [1]}, "input[0]"),
        ("ollama.embed", {"model": "m", "input": "a", "truncate": 1}, "truncate"),
        ("ollama.embeddings", {"model": "m"}, "prompt"),
        ("gemini.embed", {}, "body"),
        ("gemini.batch_embed", {}, "requests"),
        ("gemini.batch_embed", {"requests": [{}]}, "requests[0]"),
    ],
)
def test_a_wrong_request_is_refused_with_its_place(asked: str, ask: object, param: str) -> None:
    with pytest.raises(Refusal) as refused:
        sent(asked, "cohere.embed", ask)
    assert (refused.value.told.status, refused.value.told.param) == (400, param)


@pytest.mark.parametrize("name", [name for name, one in DIALECTS.items() if isinstance(one.converts, Embedding)])
def test_every_field_of_a_client_has_a_weight(name: str) -> None:
    client = DIALECTS[name].converts.client  # type: ignore[union-attr]
    meanings = {own for own, field in client.fields.items() if field.weight is Weight.MEANING} if client else set()
    assert meanings == {
        "openai.embeddings": {"input[].tokens", "dimensions"},
        "gemini.embed": {"content.parts[].inlineData", "content.parts[].fileData", "outputDimensionality"},
        "gemini.batch_embed": {
            "requests[].content.parts[].inlineData",
            "requests[].content.parts[].fileData",
            "requests[].outputDimensionality",
        },
        "ollama.embed": {"dimensions"},
    }.get(name, set())


# --- what comes back


@pytest.mark.parametrize(
    ("spoken", "answer"),
    [
        ("openai.embeddings", {"data": [{"index": 0, "embedding": [1.0]}]}),
        ("openai.embeddings", {"data": [{"embedding": None}, {"embedding": None}]}),
        ("openai.embeddings", {"data": [{"embedding": "AAA="}, {"embedding": "AAAAAA=="}]}),
        ("openai.embeddings", {"data": [{"embedding": "AAAAAA=="}, {"embedding": "!"}]}),
        ("openai.embeddings", {"data": [{"embedding": {}}, {"embedding": 5}]}),
        ("openai.embeddings", {"error": {"message": "no"}}),
        ("gemini.batch_embed", {"embeddings": []}),
        ("gemini.batch_embed", {}),
        ("cohere.embed", {"embeddings": {"int8": [[1], [2]]}}),
        ("ollama.embed", {"embeddings": [[1.0], [2.0], [3.0]]}),
        ("ollama.embed", b"not json"),
        ("ollama.embed", b"[]"),
    ],
)
def test_an_answer_that_is_none_is_a_fault(spoken: str, answer: object) -> None:
    client = "ollama.embed" if spoken != "ollama.embed" else "openai.embeddings"
    with pytest.raises(Fault) as fault:
        carry(client, spoken, TWO, answer)
    assert fault.value.kind is Kind.INVALID


def test_an_answer_without_end_is_a_fault() -> None:
    crossing = convert(DIALECTS["ollama.embed"], DIALECTS["openai.embeddings"])
    assert crossing is not None
    with pytest.raises(Fault) as fault:
        for _ in range(65):
            crossing.feed(b" " * 1024 * 1024)
    assert fault.value.kind is Kind.TOO_LARGE


@pytest.mark.parametrize("odd", [["x"], [None], [1e300], [[1.0]]])
def test_a_vector_that_cannot_be_packed_is_a_fault(odd: list[object]) -> None:
    with pytest.raises(Fault):
        carry("openai.embeddings", "ollama.embed", {**TWO, "encoding_format": "base64"}, {"embeddings": [[1.0], odd]})


def test_nonsense_in_the_usage_is_rejected() -> None:
    for spoken, spoilt in (
        ("openai.embeddings", {"usage": {"prompt_tokens": -1}}),
        ("gemini.batch_embed", {"usageMetadata": {"promptTokenCount": "many"}}),
        ("cohere.embed", {"meta": {"billed_units": []}}),
        ("ollama.embed", {"prompt_eval_count": 2**60}),
    ):
        answer = ANSWERS[spoken]
        assert isinstance(answer, dict)
        client = "ollama.embed" if spoken != "ollama.embed" else "openai.embeddings"
        assert carry(client, spoken, TWO, answer | spoilt).usage == REJECTED


# --- carried straight


@pytest.mark.parametrize("dialect", ANSWERS)
def test_what_is_carried_straight_tells_its_usage_too(dialect: str) -> None:
    _, usage = carry_straight(dialect, {"model": "m"}, ANSWERS[dialect])
    assert usage == Usage(7)


def test_google_is_told_the_targets_name_wherever_the_client_repeated_its_own() -> None:
    answer = {"embeddings": [{"values": [1]}]}
    batch = {"requests": [{"model": "models/alias", "content": {"parts": []}, "x": 1}, {"content": {}}]}

    many, _ = carry_straight("gemini.batch_embed", batch, answer)
    one, _ = carry_straight("gemini.embed", {"model": "models/alias", "content": {}}, answer)
    silent, _ = carry_straight("gemini.embed", {"content": {}}, answer)
    strange, _ = carry_straight("gemini.batch_embed", {"requests": "x"}, answer)

    assert many == {"requests": [{"model": "models/model-there", "content": {"parts": []}, "x": 1}, {"content": {}}]}
    assert (one, silent) == ({"model": "models/model-there", "content": {}}, {"content": {}})
    assert strange == {"requests": "x"}


# --- which format is spoken


def provider(*speaks: str) -> Provider:
    return Provider(name="p", endpoints=(Endpoint(base_url="http://x/v1", speaks=speaks),), key=Secret("k"))


@pytest.mark.parametrize(
    ("asked", "speaks", "spoken"),
    [
        ("openai.embeddings", ("cohere.chat", "cohere.embed", "openai.embeddings"), "openai.embeddings"),
        ("gemini.embed", ("openai.chat", "ollama.embed", "openai.embeddings"), "ollama.embed"),
        ("gemini.embed", ("gemini.embed",), "gemini.embed"),
        ("gemini.batch_embed", ("gemini.embed",), None),
        ("openai.embeddings", ("openai.chat", "cohere.rerank"), None),
        ("openai.chat", ("cohere.embed", "openai.embeddings"), None),
        ("openai.rerank", ("cohere.embed", "cohere.rerank"), "cohere.rerank"),
    ],
)
def test_a_family_keeps_to_itself(asked: str, speaks: tuple[str, ...], spoken: str | None) -> None:
    found = dialect_for(provider(*speaks), DIALECTS[asked])
    assert (found.name if found else None) == spoken


@pytest.mark.parametrize("asked", ["openai.embeddings", "gemini.embed", "gemini.batch_embed", "ollama.embed"])
def test_the_demo_answers_every_client_with_the_local_model(asked: str) -> None:
    local = Target(provider("openai.embeddings"), "small")
    script = Target(provider("openai.chat", "openai.embeddings"), "script")

    way = demo_way(Demo({"openai.embeddings": local}, script), DIALECTS[asked], False, "any")
    without = demo_way(Demo({}, script), DIALECTS[asked], False, "any")

    assert (way.target, way.dialect.name) == (local, "openai.embeddings")
    assert (without.target, without.dialect.name) == (Target(script.provider, "any"), "openai.embeddings")


# --- recorded answers

SPOKEN_IN = {"gemini": "gemini.batch_embed", "cohere": "cohere.embed", "ollama": "ollama.embed"}


@pytest.mark.usefixtures("recordings_there")
@pytest.mark.parametrize("name", [name for name, fact in facts().items() if "vectors" in fact["answer"]])
def test_a_recorded_answer_is_read_to_its_facts(name: str) -> None:
    recording = find(name)
    fact = facts()[name]["answer"]
    assert isinstance(fact, dict)
    spoken = SPOKEN_IN.get(recording.api.partition(".")[0], "openai.embeddings")
    client = "ollama.embed" if spoken == "openai.embeddings" else "openai.embeddings"
    texts = ["a"] * fact["vectors"]["count"]

    crossed = carry(client, spoken, {"model": "m", "input": texts}, response_bytes(recording)[2])

    assert found_in(crossed.answer) == fact["vectors"]["sha256"]
    assert crossed.usage == Usage(fact["usage"]["input_total"], crossed.usage.output_tokens)


def found_in(answer: dict) -> str:
    vectors = answer.get("embeddings") or [one["embedding"] for one in answer["data"]]
    return hashlib.sha256(b"".join(struct.pack(f"<{len(one)}f", *one) for one in vectors)).hexdigest()
