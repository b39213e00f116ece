"""Compares what a library told with what was promised."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from features import ANYTHING, STATUS_HERE, Feature
from limits import CARRIED, DIRECT, HEARD, STATUS_THERE, dropped_as, instead
from vendors import Client

__all__ = ["Told", "breaks_off", "check", "is_whole"]

# What a feature expects where its answer is to fail.
ENDS = {"status", "stranger", "broken"}


@dataclass(frozen=True)
class Told:
    """What came of one question, and who was asked it how."""

    client: Client
    target: str
    case: str
    feature: Feature
    verdict: dict

    @property
    def text(self) -> str:
        return self.verdict["text"]

    @property
    def spoken(self) -> str:
        """The format in which the upstream was asked."""
        return self.client.dialect if self.target == DIRECT else self.target


def breaks_off(feature: Feature) -> bool:
    """Whether the promise is an error."""
    return bool(feature.expected.keys() & ENDS)


def is_whole(verdict: dict) -> bool:
    """Whether nothing was dropped; that nothing is stored is no loss where nothing ever is."""
    return verdict["dropped"] in ("", "store")


def check(told: Told) -> None:
    """Holds the verdict against the feature's promise. Raises AssertionError if it is another one."""
    if breaks_off(told.feature):
        check_error(told)
        return
    assert told.verdict["error"] is None, told.verdict["error"]
    expected = told.feature.expected | instead(told.client, told.target, told.case)
    if "finish" in expected:
        expected |= {"finish": ending(told, expected["finish"])}
    found = {name: READERS.get(name, plainly(name))(told, wanted) for name, wanted in expected.items()}
    assert found == expected, f"{found} instead of {expected}"


def check_error(told: Told) -> None:
    client, expected, error = told.client, told.feature.expected, told.verdict["error"]
    assert error is not None, "the library raised nothing"
    if "broken" in expected:
        assert told.target == DIRECT or error["kind"] == client.broken
        return
    if told.target == DIRECT:
        status = expected.get("status", client.stranger)
    else:
        status = expected.get("status")
        status = STATUS_THERE.get((told.target, status), STATUS_HERE.get(status, 401))
    assert (error["status"], error["kind"]) == (status, client.kind(status))


def ending(told: Told, expected: str) -> str:
    """The reason that must be told; some formats do not tell a stop sequence from an ordinary stop."""
    ends = told.client.finishes
    if expected == "sequence" and told.client.dialect != told.target and told.verdict["finish"] == ends["stop"]:
        return ends["stop"]
    return ends[expected]


Reader = Callable[[Told, object], object]


def plainly(name: str) -> Reader:
    """What the library told under this very name."""
    return lambda told, wanted: told.verdict.get(name)


def within(told: Told, wanted: object) -> object:
    return wanted if str(wanted) in told.text else told.text


def holds(told: Told, wanted: str) -> str:
    """Base64 has two spellings."""
    return wanted if wanted in told.text.replace("-", "+").replace("_", "/") else told.text


def never(told: Told, wanted: object) -> object:
    return f"not {wanted}" if str(wanted) in told.text else wanted


def parsed(text: str) -> object:
    """What the text is as JSON, or itself if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def refused(told: Told, wanted: object) -> bool:
    return "I cannot help" in told.text or told.verdict["finish"] == told.client.finishes["refusal"]


def counted(told: Told, wanted: int) -> int:
    """What another format's provider cannot count, the gateway estimates."""
    tokens = told.verdict["tokens"]
    is_near = told.client.dialect != told.spoken and 0 < (tokens or 0) <= 2 * wanted
    return wanted if is_near else tokens


def listed(told: Told, wanted: str) -> object:
    return wanted if any(name.endswith(wanted) for name in told.verdict["models"]) else told.verdict["models"]


# Formats without a place for signatures: what comes back of thoughts are their words.
UNSIGNED = {"ollama.chat"}


def carried(told: Told, wanted: str) -> str:
    """The thoughts that came back to the upstream, which shows its last request."""
    sign = re.escape(wanted) if told.client.dialect in UNSIGNED else CARRIED.get(told.spoken, re.escape(wanted))
    return wanted if re.search(sign, told.text) or not is_whole(told.verdict) else told.text


def quoted(told: Told, wanted: list[str]) -> list[str]:
    """The cited passages of the text; where a format does not tell them, nothing can be wrong."""
    found = told.verdict["quoted"]
    return [right if one is None else one for one, right in zip(found, wanted, strict=False)]


def heard(told: Told, wanted: object) -> object:
    """What the upstream found where its format puts the setting; nothing is missed if the client is told so."""
    if dropped_as(told.feature.name, told.verdict["dropped"]):
        return wanted
    places = HEARD[told.feature.name].get(told.spoken, "").split("|")
    found = next((one for place in places if (one := at(parsed(told.text), place)) is not None), None)
    if isinstance(found, dict) and isinstance(wanted, dict):
        return {name: value for name, value in found.items() if name in wanted}
    return wanted if wanted == ANYTHING and found is not None else found


def at(found: object, place: str) -> object:
    """What is at this place of a JSON value."""
    for step in place.split("."):
        match found:
            case list() if step.isdigit() and int(step) < len(found):
                found = found[int(step)]
            case dict():
                found = found.get(step)
            case _:
                return None
    return found


READERS: Mapping[str, Callable[[Told, object], object]] = {
    "says": within,
    "holds": holds,
    "never": never,
    "json": lambda told, wanted: parsed(told.text),
    "dropped": lambda told, wanted: bool(told.verdict["dropped"]),
    "refused": refused,
    "tokens": counted,
    "listed": listed,
    "carried": carried,
    "quoted": quoted,
    "heard": heard,
}
