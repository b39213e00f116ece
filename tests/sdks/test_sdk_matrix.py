"""Each vendor's library gets the same things from every provider, whatever format that provider speaks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from traceback import format_exception

import pytest
from features import FEATURES, Feature, Without
from limits import DIRECT, PAIRS, UNTOLD, known, refused
from outcomes import Outcome, note
from promises import Told, breaks_off, check, is_whole
from vendors import Client

from judge import Judge

NUMBERS = itertools.count(1)
WHOLLY = Without()


def case_of(feature: Feature, streamed: bool) -> str:
    """The name of a feature asked for in one of the two ways."""
    return f"{feature.name}-{'stream' if streamed else 'whole'}"


def cases(client: Client, target: str) -> list[tuple[Feature, bool]]:
    """Every feature that the client's own format can ask for, and whether as a stream."""
    return [
        (feature, streamed)
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


def tried(client: Client, target: str, feature: Feature, streamed: bool, asking: Asking) -> Outcome:
    """What becomes of one case. Raises AssertionError if the promise is not kept, or its check proves nothing."""
    told = asking(question(feature))
    if word := refused(client, target, case_of(feature, streamed)):
        assert told.verdict["error"]["status"] == 422
        assert word in told.verdict["error"]["message"].lower()
        return Outcome("refused")
    check(told)
    if not is_whole(told.verdict):
        return Outcome("dropped")
    check_without(feature, asking)
    return Outcome("green", len(feature.without))


@pytest.mark.parametrize(("client", "target"), PAIRS, ids=[f"{client.id}-{target}" for client, target in PAIRS])
def test_says_the_same_as_every_other_pair(
    client: Client,
    target: str,
    judge: Callable[[Client], Judge],
    place: Callable[[Client, str], tuple[str, str, str]],
) -> None:
    url, key, prefix = place(client, target)
    outcomes: dict[str, Outcome] = {}
    faults: list[str] = []
    for feature, streamed in cases(client, target):
        case = case_of(feature, streamed)

        def asking(told: dict, case: str = case, feature: Feature = feature, streamed: bool = streamed) -> Told:
            job = {"base_url": url, "key": key, "stream": streamed, **told, "model": prefix + told["model"]}
            verdict = judge(client).ask(**job)
            if not breaks_off(feature) and (verdict["error"] or {}).get("kind") == "APIConnectionError":
                verdict = judge(client).ask(**job)  # a crowded machine may break a first connection
            return Told(client, target, case, feature, verdict)

        try:
            outcomes[case] = tried(client, target, feature, streamed, asking)
        except Exception as fault:
            outcomes[case] = Outcome("failed")
            # A defect that is known is expected; it is one in the published matrix all the same.
            faults += [] if known(client, target, case) else [f"{case}: {''.join(format_exception(fault))}"]
    note(f"{client.id}@{target}", outcomes)
    if faults:
        pytest.fail("\n".join([f"{len(faults)} of {len(outcomes)} cases:", *faults]), pytrace=False)
