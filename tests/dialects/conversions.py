"""One call carried from a client's format to a target's and back, without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass

from unigate.call import Call, Caller
from unigate.dialects.converted import convert
from unigate.dialects.crossing import Straight
from unigate.dialects.table import DIALECTS
from unigate.secret import Secret
from unigate.target import Endpoint, Provider, Target
from unigate.usage import Usage
from unigate.wire.body import decode_body

__all__ = ["Carried", "carry", "carry_straight", "sent"]


@dataclass(frozen=True)
class Carried:
    """What one call came to: the upstream's request, what it lacks, the client's answer, and what was used."""

    request: dict[str, object]
    dropped: tuple[str, ...]
    answer: dict[str, object]
    usage: Usage


def target(dialect: str, **row: object) -> Target:
    endpoint = Endpoint(base_url="http://upstream", speaks=(dialect,))
    return Target(Provider(name="p", endpoints=(endpoint,), key=Secret("k"), **row), "model-there")  # type: ignore[arg-type]


def call(dialect: str, body: object) -> Call:
    made = Call("req_1", dialect, Caller("k", "n", "client", None), {}, peer="", started_ns=1)
    made.body = decode_body(json.dumps(body).encode())
    made.model = "model-here"
    return made


def carry(asked: str, spoken: str, body: object, answer: object, **row: object) -> Carried:
    """A call from one format to another, answered by what the upstream says."""
    crossing = convert(DIALECTS[asked], DIALECTS[spoken])
    assert crossing is not None
    request = json.loads(crossing.outgoing(call(asked, body), target(spoken, **row)))
    crossing.begin(b"application/json")
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    middle = len(content) // 2
    assert crossing.feed(content[:middle]) + crossing.feed(content[middle:]) == b""
    told = json.loads(crossing.close())
    return Carried(request, crossing.dropped, told, crossing.usage)


def sent(asked: str, spoken: str, body: object, **row: object) -> tuple[dict[str, object], tuple[str, ...]]:
    """The upstream's request, and what it lacks."""
    crossing = convert(DIALECTS[asked], DIALECTS[spoken])
    assert crossing is not None
    return json.loads(crossing.outgoing(call(asked, body), target(spoken, **row))), crossing.dropped


def carry_straight(dialect: str, body: object, answer: object) -> tuple[dict[str, object], Usage]:
    """The upstream's request of a call between two that speak the same, and what was used."""
    crossing = Straight(DIALECTS[dialect], shows_usage=False)
    request = json.loads(crossing.outgoing(call(dialect, body), target(dialect)))
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    crossing.begin(b"application/json; charset=utf-8")
    assert crossing.feed(content) + crossing.close() == content
    return request, crossing.usage
