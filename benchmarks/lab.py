"""The rows of the table: what is started for each, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from benchmarks import load
from benchmarks.formats import CHAT, Format, Pair
from benchmarks.load import LARGE_BYTES, SMALL_BYTES, Ask, Sample
from benchmarks.peers import start_envoy, start_litellm
from benchmarks.processes import BenchError
from benchmarks.results import Results
from benchmarks.subjects import (
    SLOW_MODEL,
    SMALL_MODEL,
    STREAM_EVENTS,
    STREAM_MODEL,
    Place,
    Running,
    Starter,
    Upstream,
    start_fixed,
    start_limited,
    start_nginx,
    start_translating,
    start_unigate,
    start_upstream,
)

PLAIN_ROWS = ("small", "large", "events", "latency")
LIMITED_ROW = "small-limited"
TLS_ROWS = ("small-tls", "events-tls")
REST_ROWS = ("memory", "ready")
TRANSLATED_ROWS = ("translated", "translated-events")
STATE_ROW = "translated-state"
ROWS = (
    *PLAIN_ROWS,
    LIMITED_ROW,
    "saturated",
    *TLS_ROWS,
    "streams",
    "streams-tls",
    *REST_ROWS,
    *TRANSLATED_ROWS,
    STATE_ROW,
)
STARTERS: dict[str, Starter] = {
    "nginx": start_nginx,
    "unigate": start_unigate,
    "envoy": start_envoy,
    "litellm": start_litellm,
}
LIMITED: dict[str, Starter] = {"nginx": start_nginx, "unigate": start_limited}
TRANSLATING: dict[str, Starter] = {"nginx": start_nginx, "unigate": start_translating}
SHORT, LONG = 4, 200  # events of a stream whose state is measured

Measure = Callable[[Running], Sample]


@dataclass(frozen=True)
class Effort:
    """How long and how often to measure."""

    # For small requests: a machine is slow or quick for seconds at a time, so many short turns tell more than few long.
    turns: int
    turn_seconds: float
    # For streams, and for one request alone.
    rounds: int
    seconds: float
    streams: int
    starts: int
    peers: bool
    # For each pair of formats.
    pair_rounds: int
    pair_seconds: float
    pair_streams: int
    connections: int = 32


@dataclass(frozen=True)
class Lab:
    """Runs the wanted rows at one place with one effort."""

    place: Place
    effort: Effort
    wanted: frozenset[str]
    pairs: Sequence[Pair]
    results: Results

    def run(self) -> None:
        """Measures every wanted row, stage by stage."""
        self._side_by_side(PLAIN_ROWS, tls=False)
        self._limited(LIMITED_ROW)
        self._side_by_side(TLS_ROWS, tls=True)
        self._saturated("saturated")
        self._open_streams("streams", tls=False)
        self._open_streams("streams-tls", tls=True)
        self._translated()
        self._translated_state()
        self._starts(REST_ROWS)
        if self.effort.peers:
            self._alone("litellm", (*REST_ROWS, "small", "events", "latency"))

    def _wanted_of(self, rows: Sequence[str]) -> list[str]:
        """Those of some rows that are wanted; a row of a pair is called after both."""
        return [row for row in rows if row.partition(" ")[0] in self.wanted]

    @contextmanager
    def _upstream(self, *, tls: bool) -> Generator[tuple[Running, Upstream]]:
        running = start_upstream(self.place, tls=tls)
        try:
            yield running, Upstream(running.port, running.key, running.authority)
        finally:
            running.daemon.stop()

    @contextmanager
    def _gates(
        self,
        names: Sequence[str],
        rows: Sequence[str],
        upstream: Upstream,
        starters: Mapping[str, Starter] = STARTERS,
    ) -> Generator[list[Running]]:
        """Starts gateways; one that cannot start is an error in each of its rows."""
        with ExitStack() as stack:
            gates: list[Running] = []
            for name in names:
                try:
                    gates.append(starters[name](self.place, upstream))
                    stack.callback(gates[-1].daemon.stop)
                except BenchError as error:
                    for row in self._wanted_of(rows):
                        self.results.fail(row, name, str(error))
            yield gates

    def _interleave(self, row: str, gates: Sequence[Running], rounds: int, measure: Measure) -> None:
        """Measures one row in turns, so that whatever else the machine does meets every subject."""
        if not self._wanted_of([row]):
            return
        for _ in range(rounds):
            for gate in gates:
                if self.results.failed(row, gate.name):
                    continue
                try:
                    self.results.add(row, gate.name, measure(gate))
                except BenchError as error:
                    self.results.fail(row, gate.name, str(error))

    def _side_by_side(self, rows: Sequence[str], *, tls: bool) -> None:
        if not self._wanted_of(rows):
            return
        names = ["nginx", "unigate", *(["envoy"] if self.effort.peers and not tls else [])]
        with self._upstream(tls=tls) as (mock, upstream), self._gates(names, rows, upstream) as gates:
            self._loads(mock, gates, rows, self.effort)

    def _alone(self, name: str, rows: Sequence[str]) -> None:
        """A peer that needs seconds for what others do in milliseconds has a turn of its own, one long round."""
        if not self._wanted_of(rows):
            return
        with self._upstream(tls=False) as (mock, upstream), self._gates([name], rows, upstream) as gates:
            self._rest(gates)
            # With few connections, those it leaves unanswered at the end do not count for much.
            seconds = self.effort.seconds * 2
            effort = replace(self.effort, turns=1, turn_seconds=seconds, rounds=1, seconds=seconds, connections=4)
            self._loads(mock, gates, rows, effort)

    def _loads(self, mock: Running, gates: Sequence[Running], rows: Sequence[str], effort: Effort) -> None:
        """The loads of a stage, for those of its rows that are wanted."""
        suffix = "-tls" if mock.authority else ""
        small, large = self._ask(mock), self._ask(mock, LARGE_BYTES)
        gates = [gate for gate in gates if self._warm(gate, small, rows)]

        def lone(running: Running) -> Sample:
            return load.lone_load(self.place, running, small, seconds=effort.seconds * 0.6)

        def events(running: Running) -> Sample:
            stream = load.stream_ask(CHAT, running.stream_model)
            return load.stream_load(self.place, running, stream, seconds=effort.seconds, events=STREAM_EVENTS)

        self._interleave(f"small{suffix}", gates, effort.turns, self._many(small, effort))
        self._interleave(f"events{suffix}", gates, effort.rounds, events)
        if "large" in rows:
            self._interleave("large", gates, effort.turns, self._many(large, effort))
        if "latency" in rows:
            direct = replace(mock, name="direct")
            self._interleave("latency", [direct, *gates], effort.rounds, lone)

    def _many(self, ask: Ask, effort: Effort) -> Measure:
        return lambda running: load.small_load(
            self.place, running, ask, connections=effort.connections, seconds=effort.turn_seconds
        )

    def _limited(self, row: str) -> None:
        """The small request again, from a key with budgets, rates and slots in three scopes."""
        if row not in self.wanted:
            return
        with (
            self._upstream(tls=False) as (mock, upstream),
            self._gates(["nginx", "unigate"], [row], upstream, LIMITED) as gates,
        ):
            ask = self._ask(mock)
            warm = [gate for gate in gates if self._warm(gate, ask, [row])]
            self._interleave(row, warm, self.effort.turns, self._many(ask, self.effort))

    def _saturated(self, row: str) -> None:
        """The small request again, with an upstream that is quicker than any gateway."""
        if row not in self.wanted:
            return
        with self._upstream(tls=False) as (mock, _):
            ask = self._ask(mock)
            fixed = start_fixed(self.place, load.post(mock, ask.url, ask.body))
        names = ["nginx", "unigate", *(["envoy"] if self.effort.peers else [])]
        try:
            with self._gates(names, [row], Upstream(fixed.port, fixed.key, None)) as gates:
                warm = [gate for gate in gates if self._warm(gate, ask, [row])]
                self._interleave(row, warm, self.effort.turns, self._many(ask, self.effort))
        finally:
            fixed.daemon.stop()

    def _ask(self, mock: Running, size: int = SMALL_BYTES) -> Ask:
        return load.make_ask(self.place, mock, CHAT, SMALL_MODEL, size=size)

    def _warm(self, gate: Running, ask: Ask, rows: Sequence[str]) -> bool:
        """Lets a gateway open its connections and load its code before anything counts."""
        try:
            load.run_wrk(self.place, gate, ask, connections=32, seconds=1)
        except BenchError as error:
            for row in self._wanted_of(rows):
                self.results.fail(row, gate.name, f"while warming up: {error}")
            return False
        return True

    def _open_streams(self, row: str, *, tls: bool) -> None:
        if row not in self.wanted:
            return
        ask = load.stream_ask(CHAT, SLOW_MODEL)

        def held(running: Running) -> Sample:
            return load.open_streams(self.place, running, ask, streams=self.effort.streams)

        with self._upstream(tls=tls) as (mock, upstream), self._gates(["nginx", "unigate"], [row], upstream) as gates:
            small = self._ask(mock)
            self._interleave(row, [gate for gate in gates if self._warm(gate, small, [row])], 1, held)

    def _translated(self) -> None:
        """Calls between two formats; nginx passes on what the same upstream says in its own."""
        rows = [f"{row} {pair}" for row in TRANSLATED_ROWS for pair in self.pairs]
        if not self._wanted_of(rows):
            return
        with (
            self._upstream(tls=False) as (mock, upstream),
            self._gates(["nginx", "unigate"], rows, upstream, TRANSLATING) as gates,
        ):
            for pair in self.pairs:
                small, events = self._pair_loads(mock, pair)
                self._interleave(f"translated {pair}", gates, self.effort.pair_rounds, small)
                self._interleave(f"translated-events {pair}", gates, self.effort.pair_rounds, events)

    def _pair_loads(self, mock: Running, pair: Pair) -> tuple[Measure, Measure]:
        spoken, client, at = pair.spoken, pair.client, f"{pair.spoken.short}/"
        small = {
            "nginx": load.make_ask(self.place, mock, spoken, SMALL_MODEL, size=SMALL_BYTES),
            "unigate": load.make_ask(self.place, mock, client, at + SMALL_MODEL, size=SMALL_BYTES),
        }
        streams = {
            "nginx": load.stream_ask(spoken, STREAM_MODEL),
            "unigate": load.stream_ask(client, at + STREAM_MODEL),
        }
        effort = replace(self.effort, turn_seconds=self.effort.pair_seconds)

        def events(running: Running) -> Sample:
            ask = streams[running.name]
            return load.stream_load(self.place, running, ask, seconds=self.effort.pair_seconds, events=STREAM_EVENTS)

        return lambda running: self._many(small[running.name], effort)(running), events

    def _translated_state(self) -> None:
        """What a translated stream holds beyond one passed through; all stay open, so that each takes new memory."""
        rows = [f"{STATE_ROW} {pair}" for pair in self.pairs]
        if not self._wanted_of(rows):
            return
        with (
            self._upstream(tls=False) as (_, upstream),
            self._gates(["unigate"], rows, upstream, TRANSLATING) as gates,
            ExitStack() as stack,
        ):
            for gate in gates:
                passed = self._held(stack, gate, CHAT, CHAT)
                for row, pair in zip(rows, self.pairs, strict=True):
                    try:
                        short, long = self._held(stack, gate, pair.client, pair.spoken)
                    except BenchError as error:
                        self.results.fail(row, gate.name, str(error))
                        continue
                    short, long = short - passed[0], long - passed[1]
                    self.results.add(row, gate.name, {"kb": short, "kb.long": long, "kb.grown": long - short})

    def _held(self, stack: ExitStack, gate: Running, client: Format, spoken: Format) -> tuple[float, float]:
        """The kB of a stream after a short and after a long answer; it stays open."""

        def held(events: int) -> float:
            script = f"{spoken.short}/script:tokens={events + 9},pace=2,stall=events:{events + 4}"
            ask, streams = load.stream_ask(client, script), self.effort.pair_streams
            return stack.enter_context(load.held_streams(self.place, gate, ask, streams=streams, events=events))["kb"]

        held(SHORT)  # what is made once for a format counts for no stream
        return held(SHORT), held(LONG)

    def _starts(self, rows: Sequence[str]) -> None:
        if not self._wanted_of(rows):
            return
        with self._upstream(tls=False) as (_, upstream):
            for name in ["nginx", "unigate", *(["envoy"] if self.effort.peers else [])]:
                for _ in range(self.effort.starts):
                    with self._gates([name], rows, upstream) as gates:
                        self._rest(gates)

    def _rest(self, gates: Sequence[Running]) -> None:
        """Start time and memory at rest: one measurement that two rows show."""
        self._interleave("ready", gates, 1, lambda gate: {"ready_s": gate.ready_s})
        self._interleave("memory", gates, 1, load.memory)
