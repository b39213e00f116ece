"""Rankings between formats: what is asked, what is left out, whose documents come back, and a gateway's answer."""

from __future__ import annotations

import pytest

from dialects.conversions import carry, carry_straight, sent
from recordings.reader.look import json_sha
from recordings.replay import facts, find, response_bytes
from unigate.errors import Fault, Kind, Refusal
from unigate.usage import REJECTED, Usage

DOCUMENTS = ["the door is left", {"text": "the window is open", "id": 7}, "a wall"]
ASK = {"model": "m", "query": "Where is the door?", "documents": DOCUMENTS}
TEXTS = ["the door is left", "the window is open", "a wall"]
RESULTS = [{"index": 0, "relevance_score": 0.75}, {"index": 2, "relevance_score": 0.125}]
COHERE = {"id": "r1", "results": RESULTS, "meta": {"billed_units": {"search_units": 1.0}}}
DASHSCOPE = {"request_id": "r1", "output": {"results": RESULTS}, "usage": {"total_tokens": 54}}


def test_cohere_is_asked_in_texts_and_bills_in_units() -> None:
    crossed = carry("openai.rerank", "cohere.rerank", {**ASK, "top_n": 2, "max_tokens_per_doc": 99}, COHERE)

    assert crossed.request == {
        "model": "model-there",
        "query": ASK["query"],
        "documents": TEXTS,
        "top_n": 2,
        "max_tokens_per_doc": 99,
    }
    assert crossed.answer == {
        "id": "r1",
        "model": "model-there",
        "results": RESULTS,
        "usage": None,
        "meta": {"billed_units": {"search_units": 1}},
    }
    assert (crossed.usage, crossed.dropped) == (Usage(), ())


def test_dashscope_is_asked_in_its_envelope_and_bills_tokens() -> None:
    crossed = carry("openai.rerank", "dashscope.rerank", {**ASK, "top_n": 2, "max_tokens_per_doc": 99}, DASHSCOPE)

    assert crossed.request == {
        "model": "model-there",
        "input": {"query": ASK["query"], "documents": TEXTS},
        "parameters": {"top_n": 2},
    }
    assert crossed.answer == {
        "id": "r1",
        "model": "model-there",
        "results": RESULTS,
        "usage": {"prompt_tokens": 54, "total_tokens": 54},
    }
    assert (crossed.usage, crossed.dropped) == (Usage(54), ("max_tokens_per_doc",))


def test_documents_come_back_as_the_client_gave_them() -> None:
    answer = {"results": [{"index": 1, "relevance_score": 0.5}, {"index": 0, "relevance_score": 0.25}]}
    crossed = carry("openai.rerank", "cohere.rerank", {**ASK, "return_documents": True}, answer)

    assert crossed.answer["results"] == [
        {"index": 1, "relevance_score": 0.5, "document": {"text": "the window is open", "id": 7}},
        {"index": 0, "relevance_score": 0.25, "document": {"text": "the door is left"}},
    ]


def test_what_was_left_out_is_told() -> None:
    more = {"rank_fields": ["text"], "max_chunks_per_doc": 3, "odd": 1, "user": None, "return_documents": None}
    assert sent("openai.rerank", "cohere.rerank", {**ASK, **more})[1] == ("max_chunks_per_doc", "odd", "rank_fields")


@pytest.mark.parametrize(
    ("more", "status", "param"),
    [
        ({"documents": ["a", {"image": "b"}]}, 422, "documents[].image"),
        ({"query": {"image": "b"}}, 422, "query.image"),
        ({"documents": "a"}, 400, "documents"),
        ({"documents": [1]}, 400, "documents[]"),
        ({"query": 1}, 400, "query"),
        ({"top_n": "2"}, 400, "top_n"),
        ({"return_documents": 1}, 400, "return_documents"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(more: dict, status: int, param: str) -> None:
    with pytest.raises(Refusal) as refused:
        sent("openai.rerank", "cohere.rerank", {**ASK, **more})
    assert (refused.value.told.status, refused.value.told.param) == (status, param)


@pytest.mark.parametrize("name", ["query", "documents"])
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        sent("openai.rerank", "cohere.rerank", {key: value for key, value in ASK.items() if key != name})
    assert (refused.value.told.status, refused.value.told.param) == (400, name)


@pytest.mark.parametrize(
    "answer", [{}, b"no", {"results": [{"index": 3, "relevance_score": 1}]}, {"results": [{"index": -1}]}]
)
def test_an_answer_that_is_none_is_a_fault(answer: object) -> None:
    with pytest.raises(Fault) as fault:
        carry("openai.rerank", "cohere.rerank", ASK, answer)
    assert fault.value.kind is Kind.INVALID


@pytest.mark.parametrize(
    ("dialect", "answer", "usage"),
    [
        ("openai.rerank", {"results": [], "usage": {"total_tokens": 9}}, Usage(9)),
        ("openai.rerank", {"results": [], "usage": {"prompt_tokens": 9, "total_tokens": 9}}, Usage(9)),
        ("openai.rerank", {"results": [], "usage": {"prompt_tokens": 0, "total_tokens": 9}}, Usage(9)),
        ("openai.rerank", {"results": [], "usage": {"total_tokens": 0}}, Usage(0)),
        ("openai.rerank", {"results": [], "usage": {"total_tokens": "x"}}, REJECTED),
        ("openai.rerank", {"results": []}, Usage()),
        ("cohere.rerank", COHERE, Usage()),
        ("dashscope.rerank", DASHSCOPE, Usage(54)),
    ],
)
def test_what_is_carried_straight_tells_its_usage_too(dialect: str, answer: object, usage: Usage) -> None:
    assert carry_straight(dialect, ASK, answer)[1] == usage


def test_an_error_within_a_good_answer_is_a_fault() -> None:
    with pytest.raises(Fault) as fault:
        carry_straight("openai.rerank", ASK, {"error": {"message": "Out of memory."}})
    assert fault.value.kind is Kind.FAILED


@pytest.mark.usefixtures("recordings_there")
@pytest.mark.parametrize("name", [name for name, fact in facts().items() if "order" in fact["answer"]])
def test_a_recorded_answer_is_read_to_its_facts(name: str) -> None:
    fact = facts()[name]["answer"]
    assert isinstance(fact, dict)

    crossed = carry("openai.rerank", "dashscope.rerank", ASK, response_bytes(find(name))[2])

    results = crossed.answer["results"]
    assert isinstance(results, list)
    assert [one["index"] for one in results] == fact["order"]
    assert json_sha([one["relevance_score"] for one in results]) == fact["scores"]
    assert crossed.usage == Usage(fact["usage"]["input_total"])
