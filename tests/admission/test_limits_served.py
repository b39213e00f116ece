"""A gateway with limits, as its clients meet it: however a call ends, it is charged once and holds nothing any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gateways import Gateway, free_port, kill_group, start_gateway
from harness import UPSTREAM_KEY, Answer, Mock, Wire, chat, refusing_port, request, start_mock, until
from unigate.storage.sqlite import Sqlite

SPENDER = "sk-ug-spender-2Lx8QpVn5RtW"
MINUTE = "sk-ug-minute-7Kc3ZbYh9MfD"
LONE = "sk-ug-lone-4Tn6WqGs1JvE"
CONFIG = """
server: {{port: {port}, drain: 2}}
providers:
  mock: {{kind: openai, base_url: "http://127.0.0.1:{mock}/v1", api_key: "{key}", timeouts: {timeouts}}}
  drained: {{kind: openai, base_url: "http://127.0.0.1:{mock}/v1", api_key: "{key}", when_client_leaves: drain}}
  unpriced: {{kind: openai, base_url: "http://127.0.0.1:{mock}/v1", api_key: "{key}"}}
  nowhere: {{kind: openai, base_url: "http://127.0.0.1:{nowhere}/v1", api_key: "{key}"}}
models:
  falls-back: {{targets: [{{provider: nowhere, model: m}}, {{provider: unpriced, model: m}}]}}
keys:
  - {{name: spender, key: {spender}, limits: {{budget_usd_per_day: 1, concurrency: 1}}}}
  - {{name: minute, key: {minute}, limits: {{requests_per_minute: 3, tokens_per_minute: 100000}}}}
  - {{name: lone, key: {lone}, limits: {{budget_usd_total: 0.0005}}}}
prices:
  "mock/*": {{input: 1, output: 3, context: 20000, max_output: 1000}}
  "drained/*": {{input: 1, output: 3, context: 20000, max_output: 1000}}
  "nowhere/*": {{input: 1, output: 3, context: 20000, max_output: 1000}}
"""
INPUT, OUTPUT = 1000, 3000
"""Nano-dollars for a token of these prices."""


@dataclass
class Place:
    """A running gateway and its upstream."""

    gateway: Gateway
    mock: Mock

    def ask(self, model: str, *, key: str = SPENDER, stream: bool = False, **more: object) -> Answer:
        with self.wire() as wire:
            return wire.send(request(chat(model, stream=stream, max_tokens=20, **more), key=key)).answer()

    def ask_in_turn(self, model: str, *, stream: bool = False) -> Answer:
        """The first answer that is no refusal for want of a slot; one has to come within a second."""

        def look() -> Answer | None:
            answer = self.ask(model, stream=stream)
            return answer if b"calls at once" not in answer.body else None

        return until(look, "a slot", 1.5)

    def wire(self) -> Wire:
        return Wire(self.gateway.port, timeout=60.0)

    def select(self, statement: str) -> list[tuple[object, ...]]:
        database = Sqlite(self.gateway.data / "unigate.db")
        try:
            with database.reading() as run:
                return [tuple(row) for row in run(statement)]
        finally:
            database.close()

    def row_of(self, model: str) -> tuple[str, int, str, int]:
        """End, cost, flags and output tokens of the one row of the one call of a model."""
        statement = f"SELECT \"end\", cost_nano, flags, output_tokens FROM calls WHERE model = '{model}'"
        rows = until(lambda: self.select(statement), f"the row of {model}")
        assert len(rows) == 1
        end, cost, flags, output = rows[0]
        return str(end), int(str(cost)), str(flags), int(str(output or 0))

    def bill_of(self, model: str) -> int:
        """What the upstream charges for the one call of a model."""
        call = self.mock.ended(model)
        return int(str(call["input_tokens"])) * INPUT + int(str(call["output_tokens"])) * OUTPUT


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("limits")
    port = free_port()
    with start_mock() as mock, refusing_port() as nowhere:
        timeouts = "{connect: 1, first_byte: 0.5, idle: 0.5, total: 5}"
        names = {"spender": SPENDER, "minute": MINUTE, "lone": LONE, "key": UPSTREAM_KEY, "timeouts": timeouts}
        (folder / "unigate.yaml").write_text(CONFIG.format(port=port, mock=mock.port, nowhere=nowhere, **names))
        gateway = start_gateway(folder, port=port)
        try:
            until(lambda: (gateway.data / "bank.sock").exists(), "the bank")
            yield Place(gateway, mock)
        finally:
            gateway.stop()
            kill_group(gateway.process)
    assert "Traceback" not in gateway.output.read_text("utf-8", "replace")


# What the script asks for, how the row ends, and whether the upstream had begun to work.
ENDINGS = {
    "success": ("tokens=4", "ok", None),
    "a refusal of the request": ("status=400", "upstream_rejected", False),
    "a limit of the provider's": ("status=429", "upstream_rate_limited", False),
    "a failure": ("status=500", "upstream_error", False),
    "silence before the head": ("latency=2000", "upstream_first_byte_timeout", True),
    "silence in the middle": ("tokens=9,stall=mid:4", "upstream_idle_timeout", True),
    "an end in the middle": ("tokens=9,cut=mid:4", "upstream_truncated", True),
    "an end before the head": ("cut=head", "upstream_connection", True),
    "no usage told": ("tokens=4,usage=none", "ok", True),
}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_however_a_call_ends_it_is_charged_once_and_holds_nothing(place: Place, ending: str, streamed: bool) -> None:
    script, end, has_worked = ENDINGS[ending]
    model = f"script:{script},think={int(streamed)}"
    place.ask_in_turn(f"mock/{model}", stream=streamed)

    told, cost, flags, _ = place.row_of(f"mock/{model}")
    assert told == end
    if has_worked is None:
        assert (cost, flags) == (place.bill_of(model), "")
    elif has_worked:
        assert (cost > 0, flags != "") == (True, True)
    else:
        assert (cost, flags) == (0, "")
    assert place.ask_in_turn("mock/script:tokens=1").status == 200


def test_a_call_that_reaches_nobody_costs_nothing(place: Place) -> None:
    assert place.ask_in_turn("nowhere/m").status == 502
    assert place.row_of("nowhere/m")[:3] == ("upstream_unreachable", 0, "")


# Where the client is when it leaves: what it asked for, whether it streams, and how many events it has seen.
LEAVING = {
    "before the head": ("latency=400,text=one", False, 0),
    "before the head of a stream": ("latency=400,text=two", True, 0),
    "in a stream": ("tokens=30,pace=50", True, 3),
}


@pytest.mark.parametrize("reset", [False, True], ids=["politely", "not"])
@pytest.mark.parametrize("phase", LEAVING)
def test_who_leaves_pays_for_what_came_and_frees_the_slot_within_a_second(
    place: Place, phase: str, reset: bool
) -> None:
    script, streamed, events = LEAVING[phase]
    model = f"script:{script},think={int(reset)}"
    assert place.ask_in_turn("mock/script:tokens=1").status == 200
    with place.wire() as wire:
        wire.send(request(chat(f"mock/{model}", stream=streamed, max_tokens=20), key=SPENDER))
        place.mock.begun(model)
        for _ in range(events):
            wire.until(b"data: ")
        wire.leave(reset=reset)
    end, cost, flags, output = place.row_of(f"mock/{model}")
    assert (end, flags, output >= events - 1) == ("client_left", "estimated", True)
    assert cost >= output * OUTPUT
    assert place.ask_in_turn("mock/script:tokens=1").status == 200


def test_a_provider_that_bills_all_the_same_is_heard_to_its_end(place: Place) -> None:
    model = "script:tokens=15,pace=30,text=drained"
    with place.wire() as wire:
        wire.send(request(chat(f"drained/{model}", stream=True, max_tokens=20), key=SPENDER))
        wire.until(b"data: ")
        wire.leave()
    end, cost, flags, _ = place.row_of(f"drained/{model}")
    assert (end, cost, flags) == ("client_left", place.bill_of(model), "")
    assert place.mock.ended(model)["finished"] is True


@pytest.mark.parametrize("model", ["unpriced/m", "unpriced/script:tokens=1"])
def test_a_model_without_a_price_is_no_free_model(place: Place, model: str) -> None:
    seen = len(place.mock.calls())
    answer = place.ask(model)
    assert (answer.error[:2], answer.headers["x-should-retry"]) == ((403, "model_unpriced"), "false")
    assert len(place.mock.calls()) == seen
    assert place.ask(model, key=MINUTE).status == 200


def test_a_route_goes_no_way_whose_cost_nobody_knows(place: Place) -> None:
    seen = len(place.mock.calls())
    assert place.ask_in_turn("falls-back").status == 502
    assert len(place.mock.calls()) == seen


def test_hosted_tools_have_fees_that_nobody_knows(place: Place) -> None:
    answer = place.ask("mock/m", tools=[{"type": "web_search"}])
    assert answer.error[:2] == (403, "model_unpriced")


def test_a_spent_budget_says_which_and_that_nothing_helps_but_more(place: Place) -> None:
    answers = [place.ask("mock/script:tokens=9", key=LONE) for _ in range(9)]
    until(lambda: b"insufficient_quota" in place.ask("mock/script:tokens=9", key=LONE).body, "the end of the budget")
    last = place.ask("mock/script:tokens=9", key=LONE)
    assert (last.status, last.headers["x-should-retry"], "retry-after" in last.headers) == (429, "false", False)
    assert "key 'lone', $0.0005 in total" in json.loads(last.body)["error"]["message"]
    spent = place.select("SELECT nano FROM spend WHERE scope = 'key_file:lone' AND \"window\" = 'total'")
    assert sum(answer.status == 200 for answer in answers) > 0
    assert int(str(spent[0][0])) <= 500_000


def test_a_minute_has_so_many_requests_and_every_answer_says_how_many_are_left(place: Place) -> None:
    def left() -> tuple[int, str | None, str | None]:
        answer = place.ask("mock/script:tokens=1", key=MINUTE)
        told = answer.headers
        return answer.status, told.get("x-ratelimit-limit-requests"), told.get("x-ratelimit-remaining-requests")

    answers = [left() for _ in range(4)]
    assert {limit for _, limit, _ in answers} == {"3"}
    assert answers[-1] == (429, "3", "0")
    refused = place.ask("mock/script:tokens=1", key=MINUTE)
    assert (refused.error[1], 1 <= int(refused.headers["retry-after"]) <= 62) == ("rate_limit_exceeded", True)
    assert set(refused.headers) >= {"x-ratelimit-reset-requests", "x-ratelimit-limit-tokens", "x-should-retry"}


@pytest.mark.parametrize(("model", "status"), [("", 400), ("nowhere", 404)])
def test_a_call_that_makes_no_sense_is_told_the_limits_too(place: Place, model: str, status: int) -> None:
    refused = place.ask(model, key=MINUTE)
    assert (refused.status, refused.headers["x-ratelimit-limit-requests"]) == (status, "3")


def test_counters_are_the_sums_of_rows_and_nothing_stays_held(place: Place) -> None:
    def look() -> bool:
        rows = place.select("SELECT sum(cost_nano) FROM calls WHERE key = 'key_file:spender'")
        spent = place.select("SELECT nano FROM spend WHERE scope = 'key_file:spender' AND \"window\" = 'total'")
        held = place.select("SELECT sum(amount) FROM leases")
        return rows == spent and held in ([(0,)], [(None,)])

    assert place.ask_in_turn("mock/script:tokens=3").status == 200  # the calls above may have been another process's
    until(look, "the end of all holds")
