"""The books of rates and slots in the database: what each door holds, until when, and what gateways ask each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from unigate.admission.allowance import Key
from unigate.admission.bank_words import Back, Grant, Holding, Want
from unigate.admission.book import share
from unigate.storage.database import Rows
from unigate.tenancy import QuotaKind

__all__ = ["RateBook", "answer_recall", "answers_to", "end_slots", "post_recall", "rates_lock", "recalls_for", "renew"]

_LEFT = "SELECT COALESCE(SUM(amount), 0) FROM rate_leases WHERE scope = ? AND kind = ? AND (until_ns > ? OR life = ?)"
_LEND = (
    "INSERT INTO rate_leases (scope, kind, life, gateway, amount, until_ns) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (scope, kind, life) DO UPDATE SET amount = rate_leases.amount + excluded.amount, "
    "until_ns = excluded.until_ns"
)
# Only of what is still lent: a door's last word may come after its slots were taken from it.
_RETURN = "UPDATE rate_leases SET amount = amount - ? WHERE scope = ? AND kind = ? AND life = ?"
_FORGET = "DELETE FROM rate_leases WHERE life = ?"
_SWEEP = "DELETE FROM rate_leases WHERE scope = ? AND kind = ? AND life = ? AND amount = 0"
_HOLDERS = "SELECT life FROM rate_leases WHERE scope = ? AND kind = ? AND until_ns > ? AND amount > 0"
_RENEW = "UPDATE rate_leases SET until_ns = ? WHERE life = ?"
_EXPIRE = "DELETE FROM rate_leases WHERE until_ns <= ?"
# A clock that jumped back would let them last for as long as it jumped.
_SHORTEN = "UPDATE rate_leases SET until_ns = ? WHERE until_ns > ?"
_WITH_SLOTS = (
    f"SELECT DISTINCT life FROM rate_leases WHERE gateway = ? AND until_ns < ? AND kind = '{QuotaKind.SLOTS.value}'"
)
_END_SLOTS = f"DELETE FROM rate_leases WHERE life = ? AND kind = '{QuotaKind.SLOTS.value}'"
_POST = "INSERT INTO recalls (gateway, content, at_ns) VALUES (?, ?, ?) RETURNING number"
_OLD_RECALLS = "DELETE FROM recalls WHERE at_ns < ?"
_OLD_ANSWERS = (
    "DELETE FROM recall_answers WHERE NOT EXISTS (SELECT 1 FROM recalls r WHERE r.number = recall_answers.number)"
)
_ASKED = (
    "SELECT number, content FROM recalls r WHERE at_ns > ? AND gateway <> ? AND NOT EXISTS "
    "(SELECT 1 FROM recall_answers a WHERE a.number = r.number AND a.gateway = ?) ORDER BY number"
)
_ANSWER = "INSERT INTO recall_answers (number, gateway) VALUES (?, ?) ON CONFLICT (number, gateway) DO NOTHING"
_ANSWERS = "SELECT gateway FROM recall_answers WHERE number = ?"

# A door uses what it has for 10 s after it was last heard, and each use counts for 62 s more.
# A door that has just said hello is not known to be living by who asks.
_YOUNG_NS = 2_000_000_000
_SPAN_NS = 75_000_000_000
_RECENT_NS = 2_000_000_000
_OLD_NS = 10_000_000_000


class RateBook:
    """The book of rates inside one transaction; a door's part of it ends a minute after it was renewed last."""

    def __init__(self, run: Rows, gateway: str, now_ns: int, judged_ns: int) -> None:
        self._run = run
        self._gateway = gateway
        self._now_ns = now_ns
        self._judged_ns = judged_ns

    def greet(self, life: str, holdings: Sequence[Holding]) -> None:
        """Believes a door that tells what it has."""
        self._run(_FORGET, (life,))
        for one in holdings:
            self._move(life, one.scope, one.kind, one.drawn)

    def take_back(self, life: str, backs: Sequence[Back]) -> None:
        """Takes what a door gives back."""
        for back in backs:
            self._return(life, back.scope, back.kind, back.amount)
            self._run(_SWEEP, (back.scope, back.kind, life))

    def lend(self, life: str, want: Want, *, partly: bool) -> Grant:
        """Grants what there is."""
        self._return(life, want.scope, want.kind, want.returned)
        leased = int(str(self._run(_LEFT, (want.scope, want.kind, self._judged_ns, life))[0][0]))
        grant = share(want, want.limit - leased, 0, partly=partly)
        self._move(life, want.scope, want.kind, grant.amount)
        return grant

    def holders(self, key: Key) -> Iterable[str]:
        """The lives that have some of a limit."""
        return tuple(str(row[0]) for row in self._run(_HOLDERS, (key[0], key[1], self._judged_ns)))

    def _return(self, life: str, scope: str, kind: str, amount: int) -> None:
        if amount:
            self._run(_RETURN, (amount, scope, kind, life))

    def _move(self, life: str, scope: str, kind: str, amount: int) -> None:
        if amount:
            self._run(_LEND, (scope, kind, life, self._gateway, amount, self._now_ns + _SPAN_NS))


def rates_lock(gateway: str) -> str:
    """The name of what each writes under who writes to a gateway's rates; money has a lock of its own."""
    return "rates:" + gateway


def renew(run: Rows, gateway: str, lives: Iterable[str], now_ns: int, judged_ns: int) -> None:
    """Lets what a gateway's living doors hold go on; its other doors are dead, and what nobody renews ends."""
    living = frozenset(lives)
    run.many(_RENEW, [(now_ns + _SPAN_NS, life) for life in living])
    for row in run(_WITH_SLOTS, (gateway, judged_ns + _SPAN_NS - _YOUNG_NS)):
        if row[0] not in living:
            end_slots(run, str(row[0]))
    run(_EXPIRE, (judged_ns - _SPAN_NS,))
    run(_SHORTEN, (now_ns + _SPAN_NS, now_ns + 2 * _SPAN_NS))


def end_slots(run: Rows, life: str) -> None:
    """A door is dead: none of its calls runs any more. What it used of a minute counts on."""
    run(_END_SLOTS, (life,))


def post_recall(run: Rows, gateway: str, keys: Sequence[Key], now_ns: int) -> int:
    """Asks all other gateways to give back; the number their answers will have."""
    run(_OLD_RECALLS, (now_ns - _OLD_NS,))
    run(_OLD_ANSWERS)
    return int(str(run(_POST, (gateway, msgspec.json.encode(keys).decode(), now_ns))[0][0]))


def recalls_for(run: Rows, gateway: str, now_ns: int) -> list[tuple[int, list[Key]]]:
    """What others asked for lately and this gateway has not answered yet."""
    rows = run(_ASKED, (now_ns - _RECENT_NS, gateway, gateway))
    return [(int(str(number)), msgspec.json.decode(str(content), type=list[Key])) for number, content in rows]


def answer_recall(run: Rows, gateway: str, number: int) -> None:
    """Says that this gateway's doors have given back."""
    run(_ANSWER, (number, gateway))


def answers_to(run: Rows, number: int) -> frozenset[str]:
    """The gateways that have answered a recall."""
    return frozenset(str(row[0]) for row in run(_ANSWERS, (number,)))
