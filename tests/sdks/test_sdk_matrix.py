"""Each vendor's library gets the same things from every provider, whatever format that provider speaks."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from features import FEATURES, Feature, Without
from limits import DIRECT, PAIRS, UNTOLD, known, refused
from promises import Told, breaks_off, check, is_whole
from vendors import Client

from judge import Judge

NUMBERS = itertools.count(1)
WHOLLY = Without()


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


def script(told: str) -> str:
    """A model's name that no other call has, so that the upstream's counts are this call's own."""
    return ",".join(filter(None, [f"script:{told}", f"message={next(NUMBERS)}"])).replace(":,", ":")


def question(feature: Feature, without: Without = WHOLLY) -> dict:
    """What a judge is to do, with the feature or without."""
    told = feature.script if without.script is None else without.script
    settings = {name: value for name, value in (feature.job | without.job).items() if value is not None}
    return {"model": script(told), "prompt": "Hi", **settings}


Asking = Callable[[dict], Told]


def check_without(feature: Feature, asking: Asking) -> None:
    """The same promise must be found broken whenever the feature is taken out; else its check proves nothing."""
    assert feature.without, "nothing says how to take it out"
    for without in feature.without:
        told = asking(question(feature, without))
        assert told.verdict["error"] is None or without.refused or breaks_off(feature), told.verdict["error"]
        with pytest.raises(AssertionError):
            check(told)
            assert is_whole(told.verdict)


@pytest.mark.parametrize(("client", "target", "feature", "streamed"), cases())
def test_says_the_same_as_every_other_pair(
    client: Client,
    target: str,
    feature: Feature,
    streamed: bool,
    judge: Callable[[Client], Judge],
    place: Callable[[Client, str], tuple[str, str, str]],
    record_property: Callable[[str, object], None],
) -> None:
    case = case_of(feature, streamed)
    record_property("matrix", (f"{client.id}@{target}", case))
    url, key, prefix = place(client, target)

    def asking(told: dict) -> Told:
        job = {"base_url": url, "key": key, "stream": streamed, **told, "model": prefix + told["model"]}
        verdict = judge(client).ask(**job)
        if not breaks_off(feature) and (verdict["error"] or {}).get("kind") == "APIConnectionError":
            verdict = judge(client).ask(**job)  # a crowded machine may break a first connection
        return Told(client, target, case, feature, verdict)

    told = asking(question(feature))
    if word := refused(client, target, case):
        record_property("outcome", "refused")
        assert told.verdict["error"]["status"] == 422
        assert word in told.verdict["error"]["message"].lower()
        return
    check(told)
    if not is_whole(told.verdict):
        record_property("outcome", "dropped")
        return
    check_without(feature, asking)
    record_property("outcome", "green")
    record_property("noticed", len(feature.without))
