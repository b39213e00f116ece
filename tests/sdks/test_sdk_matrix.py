"""Each vendor's library gets the same things from every provider, whatever format that provider speaks."""

from __future__ import annotations

import itertools
import json
import urllib.request
from collections.abc import Callable

import pytest
from features import FEATURES, STATUS_HERE, Feature
from limits import DIRECT, PAIRS, STATUS_THERE, UNTOLD, instead, known, refused
from vendors import Client

from judge import Judge

NUMBERS = itertools.count(1)


def case_of(feature: Feature, streamed: bool) -> str:
    """The name of a feature asked for in one of the two ways."""
    return f"{feature.name}-{'stream' if streamed else 'whole'}"


def gap(client: Client, target: str, case: str) -> list[pytest.MarkDecorator]:
    """A defect that is known is expected; it is one in the published matrix all the same."""
    reason = known(client, target, case)
    return [pytest.mark.xfail(reason=reason, strict=False)] if reason else []


def cases() -> list[object]:
    """Every pair with every feature that the client's own format can ask for."""
    return [
        pytest.param(
            client,
            target,
            feature,
            streamed,
            id=f"{client.id}-{target}-{case_of(feature, streamed)}",
            marks=gap(client, target, case_of(feature, streamed)),
        )
        for client, target in PAIRS
        for feature in FEATURES
        for streamed in feature.streams
        if feature.needs not in (*client.cannot, *UNTOLD.get(target, ()))
        if not (feature.translated and target == DIRECT)
    ]


def script(feature: Feature) -> str:
    """A model's name that no other case has, so that the upstream's counts and books are this case's own."""
    return ",".join(filter(None, [f"script:{feature.script}", f"message={next(NUMBERS)}"])).replace(":,", ":")


def bytes_received(upstream: str, model: str) -> int:
    """How large the request was that reached the upstream."""
    with urllib.request.urlopen(f"{upstream}/mock/calls", timeout=5) as answer:
        return next(call["bytes_received"] for call in json.load(answer) if model in call["model"])


def check_error(client: Client, target: str, expected: dict, error: dict | None) -> None:
    assert error is not None, "the library raised nothing"
    if "broken" in expected:
        assert target == DIRECT or error["kind"] == client.broken
        return
    if target == DIRECT:
        status = expected.get("status", client.stranger)
    else:
        told = expected.get("status")
        status = STATUS_THERE.get((target, told), STATUS_HERE.get(told, 401))
    assert (error["status"], error["kind"]) == (status, client.kind(status))


def ending(client: Client, target: str, expected: str, verdict: dict) -> str:
    """The reason that must be told; some formats do not tell a stop sequence from an ordinary stop."""
    told = client.finishes[expected]
    if expected == "sequence" and client.dialect != target and verdict["finish"] == client.finishes["stop"]:
        return client.finishes["stop"]
    return told


def check_answer(client: Client, target: str, expected: dict, verdict: dict) -> None:
    """Compares what was promised, all of it at once."""
    assert verdict["error"] is None
    told = {name: verdict.get(name) for name in expected if name in verdict}
    if "says" in expected:
        told["says"] = expected["says"] if expected["says"] in verdict["text"] else verdict["text"]
    if "never" in expected:
        told["never"] = "" if expected["never"] in verdict["text"] else expected["never"]
    if "json" in expected:
        told["json"] = json.loads(verdict["text"])
    if "dropped" in expected:
        told["dropped"] = bool(verdict["dropped"])
    if "refused" in expected:
        told["refused"] = "I cannot help" in verdict["text"] or verdict["finish"] == client.finishes["refusal"]
    if "tokens" in expected and client.dialect != target != DIRECT:
        # What another format's provider cannot count, the gateway estimates.
        told["tokens"] = expected["tokens"] if 0 < verdict["tokens"] <= 2 * expected["tokens"] else verdict["tokens"]
    if "listed" in expected:
        told["listed"] = next((name for name in verdict["models"] if name.endswith(expected["listed"])), None)
        expected = {"listed": told["listed"]} if told["listed"] else expected
    if "finish" in expected:
        expected = {**expected, "finish": ending(client, target, expected["finish"], verdict)}
    assert told == expected


# What a feature expects where its answer is to fail.
ENDS = {"status", "stranger", "broken"}


@pytest.mark.parametrize(("client", "target", "feature", "streamed"), cases())
def test_says_the_same_as_every_other_pair(
    client: Client,
    target: str,
    feature: Feature,
    streamed: bool,
    judge: Callable[[Client], Judge],
    place: Callable[[Client, str], tuple[str, str, str]],
    upstream: str,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("matrix", (f"{client.id}@{target}", case_of(feature, streamed)))
    url, key, prefix = place(client, target)
    model = script(feature)

    job = {"base_url": url, "key": key, "model": prefix + model, "stream": streamed, "prompt": "Hi", **feature.job}
    verdict = judge(client).ask(**job)
    if not feature.expected.keys() & ENDS and (verdict["error"] or {}).get("kind") == "APIConnectionError":
        verdict = judge(client).ask(**job)  # a crowded machine may break a first connection, before anything was said

    if word := refused(client, target, case_of(feature, streamed)):
        record_property("outcome", "refused")
        assert verdict["error"]["status"] == 422
        assert word in verdict["error"]["message"].lower()
        return
    # That nothing is stored is no loss where nothing ever is.
    if verdict["dropped"] not in ("", "store"):
        record_property("outcome", "dropped")
    if feature.expected.keys() & ENDS:
        check_error(client, target, feature.expected, verdict["error"])
        return
    check_answer(client, target, feature.expected | instead(client, target, case_of(feature, streamed)), verdict)
    books = url if target == DIRECT else upstream
    assert not feature.sent or bytes_received(books, model) >= feature.sent
