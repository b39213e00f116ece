"""The book of rates in Valkey or Redis: one hash, so that it is lost whole or not at all, and nothing but rates."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from unigate.admission.allowance import Key
from unigate.admission.lease_book import GONE_NS, Account, LeaseBook, Leases, Life
from unigate.admission.standby import Beat, Neighbour
from unigate.clock import LeaseClock
from unigate.errors import StorageError
from unigate.storage.branch import Job, Outcome, done_in

__all__ = ["ValkeyRates"]

_BOOK = "unigate:rates"
_RECALLS = "unigate:recalls"
_ANSWERS = "unigate:answers:"
_FENCES = "unigate:fence:"
_PATIENCE = 0.1
_RECENT = 2_000_000
_KEPT_S = 10
_FENCED_S = 86_400
# A door that has just said hello is not known to be living by who asks.
_YOUNG_NS = 2_000_000_000

# The library would turn the answers of some commands into other things, but not those of scripts.
_PLAIN = "return redis.call(unpack(ARGV))"
# The server's time and some fields of the book; nothing if it is another book than the one that is meant.
_READ = """
local book, time = KEYS[1], redis.call('TIME')
if redis.call('HGET', book, 'epoch') ~= ARGV[1] or redis.call('HGET', book, 'server') ~= ARGV[2] then return {} end
local found = {time[1], time[2]}
for i = 3, #ARGV do found[i] = redis.call('HGET', book, ARGV[i]) or '' end
return found
"""
_READ_ALL = """
local book, time = KEYS[1], redis.call('TIME')
if redis.call('HGET', book, 'epoch') ~= ARGV[1] or redis.call('HGET', book, 'server') ~= ARGV[2] then return {} end
return {time[1], time[2], unpack(redis.call('HGETALL', book))}
"""
# Compares all that was read with what is there, and writes only if nobody was faster; -1 is another book.
# -2 is another fence, as a step finds that was given up and comes late.
_STEP = """
local book = KEYS[1]
if redis.call('HGET', book, 'epoch') ~= ARGV[1] or redis.call('HGET', book, 'server') ~= ARGV[2] then return -1 end
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return -2 end
for i = 4, #ARGV, 3 do
    if (redis.call('HGET', book, ARGV[i]) or '') ~= ARGV[i + 1] then return 0 end
end
for i = 4, #ARGV, 3 do
    if ARGV[i + 2] == '' then redis.call('HDEL', book, ARGV[i])
    elseif ARGV[i + 2] ~= ARGV[i + 1] then redis.call('HSET', book, ARGV[i], ARGV[i + 2]) end
end
return 1
"""
# A book of another process of the server may be older than what was lent; of two who see that, one makes a new one.
_BEGIN = """
local book = KEYS[1]
local epoch = redis.call('HGET', book, 'epoch')
if epoch and redis.call('HGET', book, 'server') == ARGV[2] then return epoch end
redis.call('DEL', book)
redis.call('HSET', book, 'epoch', ARGV[1], 'server', ARGV[2])
return ARGV[1]
"""

_leases = msgspec.json.Decoder(Leases)
_lives = msgspec.json.Decoder(dict[str, Life])
_recalls = msgspec.json.Decoder(tuple[int, str, list[Key]])
_encode = msgspec.json.Encoder(order="deterministic").encode


class _Seen(msgspec.Struct, frozen=True, array_like=True):
    """What a gateway said last of itself."""

    at_ns: int
    alone: int
    epoch: str


_gateways = msgspec.json.Decoder(dict[str, _Seen])


class _Line(Protocol):
    """What the library can do, in so far as it is used here."""

    def execute_command(self, *args: str | bytes | int) -> object: ...


class _Connection(Protocol):
    """The same of one connection."""

    def on_connect(self) -> None: ...

    def send_command(self, *args: str) -> None: ...

    def read_response(self) -> bytes: ...


class _Page:
    """Some fields of the book as they were at one moment, and what they are to become."""

    def __init__(self, now_ns: int, fields: dict[str, bytes]) -> None:
        self.now_ns = now_ns
        self._fields = fields
        self.lives = _lives.decode(fields.get("lives") or b"{}")
        self.gateways = _gateways.decode(fields.get("gateways") or b"{}")
        self.accounts = {
            _account(name): _leases.decode(text) for name, text in fields.items() if name[:2] == "q " and text
        }

    def changes(self, names: Iterable[str]) -> list[str | bytes]:
        """Name, old and new text of fields, as the step wants them."""
        found: list[str | bytes] = []
        for name in names:
            found += (name, self._fields.get(name, b""), self._text(name))
        return found

    def shorten(self) -> None:
        """After a jump of the clock back, whoever was seen later than now was seen now."""
        now_ns = self.now_ns
        self.lives = {life: Life(one.gateway, min(one.seen_ns, now_ns)) for life, one in self.lives.items()}
        self.gateways = {
            gateway: _Seen(min(seen.at_ns, now_ns), seen.alone, seen.epoch) for gateway, seen in self.gateways.items()
        }

    def _text(self, name: str) -> bytes:
        if name == "lives":
            return _encode(self.lives)
        if name == "gateways":
            return _encode(self.gateways)
        leases = self.accounts.get(_account(name))
        return _encode(leases) if leases else b""


class ValkeyRates:
    """One gateway's line to the shared book. Every answer is waited for 100 ms at most; raises StorageError."""

    def __init__(self, url: str, gateway: str) -> None:
        self.patience = _PATIENCE
        self._gateway = gateway
        self._server = ""
        self._epoch = ""
        # Empty after a step of which nobody knows whether it is done.
        self._fence = ""
        self._judged = LeaseClock()
        try:
            self._line: _Line = redis.from_url(
                url.replace("valkey", "redis", 1) if url.startswith("valkey") else url,
                socket_timeout=_PATIENCE,
                socket_connect_timeout=_PATIENCE,
                retry=Retry(NoBackoff(), 0),
                redis_connect_func=self._meet,
                client_name="unigate",
                protocol=2,
            )
        except ValueError:  # its text may have the password in it
            raise StorageError("The URL in `valkey` cannot be read; write redis://user:password@host:6379/0.") from None

    def work(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Does the jobs in their order, all of them or none."""
        names = None if any(job.holdings is not None for job in jobs) else _names(jobs)
        outcomes: list[Outcome] = []

        def turn(page: _Page) -> Iterable[str]:
            known = len(page.lives)
            for job in jobs:
                page.lives.setdefault(job.life, Life(self._gateway, page.now_ns))
            book = LeaseBook(page.accounts, page.lives, page.now_ns, self._judged(page.now_ns))
            outcomes[:] = [done_in(book, job) for job in jobs]
            changed = [_field(account) for account in sorted(book.touched)]
            return changed if len(page.lives) == known else ["lives", *changed]

        self._change(names, turn)
        return outcomes

    def beat(self, lives: Iterable[str], alone: int, epoch: str) -> Beat:
        """Says that this gateway lives, and learns who else does; makes a new book if there is none to trust."""
        self._told("PING")  # a new connection meets the server that is there now
        fresh = secrets.token_hex(8)
        self._epoch = _text(self._told("EVAL", _BEGIN, 1, _BOOK, fresh, self._server))
        mine = tuple(lives)
        pages: list[_Page] = []

        def turn(page: _Page) -> Iterable[str]:
            pages[:] = [page]
            oldest = self._judged(page.now_ns) - GONE_NS
            page.shorten()
            for life in mine:
                page.lives[life] = Life(self._gateway, page.now_ns)
            page.gateways[self._gateway] = _Seen(page.now_ns, alone, epoch)
            for life in [life for life, one in page.lives.items() if one.seen_ns < oldest]:
                del page.lives[life]
            for gateway in [gateway for gateway, seen in page.gateways.items() if seen.at_ns < oldest]:
                del page.gateways[gateway]
            return ("lives", "gateways")

        self._change((), turn)
        page = pages[0]
        for life, one in page.lives.items():
            if one.gateway == self._gateway and life not in mine and page.now_ns - one.seen_ns > _YOUNG_NS:
                self.end(life)
        others = tuple(
            Neighbour(gateway, (page.now_ns - seen.at_ns) / 1e9, seen.alone, seen.epoch)
            for gateway, seen in page.gateways.items()
            if gateway != self._gateway
        )
        return Beat(page.now_ns, self._epoch, others, is_made=self._epoch == fresh)

    def end(self, life: str) -> None:
        """A door is dead, and its calls with it."""

        def turn(page: _Page) -> Iterable[str]:
            book = LeaseBook(page.accounts, page.lives, page.now_ns, self._judged(page.now_ns))
            book.end(life)
            if life in page.lives:
                page.lives[life] = Life("", page.lives[life].seen_ns)
            return ["lives", *(_field(account) for account in sorted(book.touched))]

        self._change(None, turn)

    # --- what gateways ask each other

    def neighbours(self, lives: Iterable[str]) -> dict[str, str]:
        """Those of the lives that belong to other gateways, and to which."""
        known = self._page(()).lives
        homes = {life: known[life].gateway for life in lives if life in known}
        return {life: gateway for life, gateway in homes.items() if gateway != self._gateway}

    def post(self, keys: Sequence[Key]) -> int:
        """Asks all other gateways to recall; the number their answers will have."""
        number = self._micros()
        self._told("ZADD", _RECALLS, number, _encode((number, self._gateway, keys)))
        self._told("ZREMRANGEBYSCORE", _RECALLS, 0, number - _RECENT)
        self._told("EXPIRE", _RECALLS, _KEPT_S)
        return number

    def asked(self) -> list[tuple[int, list[Key]]]:
        """What other gateways ask this one to recall."""
        found = self._told("ZRANGEBYSCORE", _RECALLS, self._micros() - _RECENT, "+inf")
        recalls = map(_recalls.decode, msgspec.convert(found, list[bytes]))
        return [(number, keys) for number, gateway, keys in recalls if gateway != self._gateway]

    def answer(self, number: int) -> None:
        """Tells another gateway that all was given back."""
        self._told("SADD", f"{_ANSWERS}{number}", self._gateway)
        self._told("EXPIRE", f"{_ANSWERS}{number}", _KEPT_S)

    def answers(self, number: int) -> frozenset[str]:
        """The gateways that have answered a recall of this one."""
        found = msgspec.convert(self._told("SMEMBERS", f"{_ANSWERS}{number}"), list[bytes])
        return frozenset(one.decode() for one in found)

    # --- the line

    def _change(self, names: Iterable[str] | None, turn: Callable[[_Page], Iterable[str]]) -> None:
        """Changes fields of the book as if nobody else were there; None is all of them."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            fence = self._fence or self._fence_off()  # before reading: what was read, no late step changes
            page = self._page(names)
            changes = page.changes(turn(page))
            done = self._step(fence, changes) if changes else 1
            if done == 1:
                return
            if done == -1:
                raise _forgotten()
            if done == -2:
                self._fence = ""
            if time.monotonic() > deadline:
                raise StorageError("The store of rates is too busy; nothing was changed.")

    def _fence_off(self) -> str:
        """Keeps out the steps before now, of which some may still be on their way."""
        fence = secrets.token_hex(8)
        self._told("SET", f"{_FENCES}{self._gateway}", fence, "EX", _FENCED_S)
        self._fence = fence
        return fence

    def _step(self, fence: str, changes: Sequence[str | bytes]) -> object:
        """What became of the changes, as the script says."""
        keys = (_BOOK, f"{_FENCES}{self._gateway}")
        try:
            return self._told("EVAL", _STEP, len(keys), *keys, self._epoch, self._server, fence, *changes)
        except StorageError:
            self._fence = ""
            raise

    def _page(self, names: Iterable[str] | None) -> _Page:
        if names is None:
            found = self._texts("EVAL", _READ_ALL, 1, _BOOK, self._epoch, self._server)
            fields = dict(zip((one.decode() for one in found[2::2]), found[3::2], strict=True))
        else:
            wanted = ("lives", "gateways", *names)
            found = self._texts("EVAL", _READ, 1, _BOOK, self._epoch, self._server, *wanted)
            fields = dict(zip(wanted, found[2:], strict=bool(found)))
        if not found:
            raise _forgotten()
        return _Page((int(found[0]) * 1_000_000 + int(found[1])) * 1000, fields)

    def _micros(self) -> int:
        seconds, micros = self._texts("TIME")
        return int(seconds) * 1_000_000 + int(micros)

    def _texts(self, *words: str | bytes | int) -> list[bytes]:
        return msgspec.convert(self._told(*words), list[bytes])

    def _told(self, *words: str | bytes | int) -> object:
        try:
            return self._line.execute_command(*(words if words[0] == "EVAL" else ("EVAL", _PLAIN, 0, *words)))
        except redis.RedisError as error:
            raise StorageError(f"The store of rates did not answer: {type(error).__name__}.") from error

    def _meet(self, connection: _Connection) -> None:
        """A new connection: a server that was started again may have kept an older book."""
        connection.on_connect()
        connection.send_command("INFO", "server")
        told = bytes(connection.read_response())
        self._server = told.partition(b"run_id:")[2].split()[0].decode()


def _field(account: Account) -> str:
    return f"q {account[1]} {account[0]}"


def _account(field: str) -> Account:
    _, kind, scope = field.split(" ", 2)
    return scope, kind


def _names(jobs: Sequence[Job]) -> list[str]:
    return sorted({_field((one.scope, one.kind)) for job in jobs for one in (*job.backs, *job.wants)})


def _text(told: object) -> str:
    return msgspec.convert(told, bytes).decode()


def _forgotten() -> StorageError:
    return StorageError("The store of rates has forgotten what was lent.")
