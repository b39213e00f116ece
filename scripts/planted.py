"""Proves that the tests of money and records can fail: plants known bugs one by one, and wants a red test for each.

Each bug is planted into a private copy of the source, never into the checkout. `planted.py` runs all of them,
`planted.py NAME …` some; it ends with 1 if a bug stays unnoticed, or cannot be planted any more.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PATIENCE_S = 240
# A test that a bug turns red often waits for what never comes; leases that nobody uses end within 15 s.
TEST_PATIENCE_S = 25
RED = 1  # pytest's exit code for tests that failed; others mean that it could not run them


@dataclass(frozen=True)
class Bug:
    """One bug: what it is, the edits that plant it (a file, the text it has, the text instead), and who notices."""

    name: str
    edits: tuple[tuple[str, str, str], ...]
    test: str


KILLS = "tests/ledger/test_kills.py::test_no_call_is_lost_or_doubled_by_kill_9"
POWER_DATABASE = "tests/ledger/test_power_loss.py::test_the_database_keeps_what_it_confirmed_through_power_cuts"
POWER_JOURNAL = "tests/ledger/test_power_loss.py::test_the_journal_keeps_what_it_synced_through_power_cuts"
ENDINGS = "tests/ledger/test_bill.py::test_every_ending_has_one_row_and_leaves_no_hold"
LEAVING = "tests/ledger/test_bill.py::test_who_leaves_a_stream_pays_for_what_came_and_is_told_apart"
UNPRICED = "tests/ledger/test_bill.py::test_a_budget_pays_for_no_model_whose_price_nobody_knows"
RACE = "tests/ledger/test_money_doors.py::test_three_doors_spend_one_budget_to_its_end_and_no_further"
SIZES = "tests/ledger/test_money_doors.py::test_calls_of_all_sizes_fill_a_budget_to_the_last_token"
DYING = "tests/ledger/test_money_doors.py::test_a_door_that_dies_in_the_race_costs_its_holds_and_no_more"
MINUTE = "tests/ledger/test_rates.py::test_no_minute_sees_more_requests_than_the_limit"
SLOTS = "tests/ledger/test_rates.py::test_no_moment_sees_more_calls_than_there_are_slots"
WINDOWS = "tests/ledger/test_windows.py::test_the_windows_of_a_call_are_those_of_its_start"
FRACTION = "tests/accounting/test_cost.py::test_a_fraction_of_a_nano_dollar_is_rounded_up_once"
FIRST_BYTE = "tests/test_upstream.py::test_a_fault_that_would_allow_another_target_does_not_after_the_first_byte"
STOPPING = "tests/ledger/test_stopping.py::test_streams_that_do_not_fit_are_told_and_have_rows"
FORGETTING = "tests/ledger/test_several_forgetting.py::test_near_the_limit_nobody_is_lent_what_a_redis_forgot"
LATE_COMMITS = "tests/ledger/test_late_commits.py"
EXPIRY = "tests/ledger/test_several_clocks.py::test_a_key_ends_by_the_databases_clock_whatever_a_gateway_believes"
UNHEARD = (
    "tests/admission/test_bank.py::"
    "test_a_bank_that_did_not_hear_that_a_door_forgot_a_limit_lends_nobody_what_is_not_carried"
)
BEYOND = "tests/admission/test_bank.py::test_what_one_call_took_beyond_its_hold_no_other_door_lends_again"
CREDENTIALS = "tests/security/test_auth_matrix.py"

BUGS = (
    Bug(
        "a-cancelled-call-is-not-settled",
        (
            (
                "pipeline.py",
                "        except asyncio.CancelledError:\n            _end(",
                "        except asyncio.CancelledError:\n            raise\n            _end(",
            ),
            ("pipeline.py", "            reply.is_recorded = ledger.close()\n", "            pass\n"),
        ),
        LEAVING,
    ),
    Bug(
        "holds-of-failed-calls-stay",
        (
            (
                "gate.py",
                "            self._give_back(sum, is_clean=is_clean)",
                '            _ = end == "ok" and self._give_back(sum, is_clean=is_clean)',
            ),
            (
                "gate.py",
                "            if self.charge is not None:  # not even its record could be made\n",
                "            if self.charge is None:\n",
            ),
        ),
        ENDINGS,
    ),
    Bug(
        "each-door-has-the-whole-limit",
        (("storage/bank.py", "want.limit - spent - leased, spent", "want.limit - spent, spent"),),
        RACE,
    ),
    Bug(
        "what-a-call-took-beyond-its-hold-is-lent-again",
        (
            (
                "admission/wallet.py",
                "            if one.free < 0 and nano > need.nano:\n                self._wallet.tell_at_once(one)\n",
                "",
            ),
        ),
        BEYOND,
    ),
    Bug(
        "an-unknown-key-is-somebody",
        (
            (
                "admission/keys.py",
                "    caller = keyring.get(hash_key(given))\n",
                "    caller = keyring.get(hash_key(given)) or next(iter(keyring.values()), None)\n",
            ),
        ),
        CREDENTIALS,
    ),
    Bug(
        "counters-have-a-transaction-of-their-own",
        (
            ("storage/ledger.py", "        run.several(ADD_SPEND, unhurried(sums.spend()))\n", ""),
            (
                "storage/ledger.py",
                """            _many(run, _DROP_PLACE, ((mine, life) for life in batch.gone))
""",
                """            _many(run, _DROP_PLACE, ((mine, life) for life in batch.gone))
        with self._database.transaction() as run:
            run.several(ADD_SPEND, sums_of(batch.records).spend())
        with self._database.transaction() as run:
""",
            ),
        ),
        POWER_DATABASE,
    ),
    Bug(
        "places-are-saved-before-rows",
        (
            (
                "storage/ledger.py",
                """batch.places.values()))
            if batch.records:
""",
                """batch.places.values()))
        with self._database.transaction() as run:
            if batch.records:
""",
            ),
        ),
        POWER_DATABASE,
    ),
    Bug(
        "commits-do-not-wait-for-the-disk",
        (("storage/sqlite.py", "PRAGMA synchronous = full", "PRAGMA synchronous = off"),),
        POWER_DATABASE,
    ),
    Bug(
        "the-journal-is-never-forced-to-the-disk",
        (
            (
                "journal.py",
                "        os.fsync(fd)\n    except OSError as error:",
                "        pass\n    except OSError as error:",
            ),
        ),
        POWER_JOURNAL,
    ),
    Bug(
        "a-segments-name-is-not-forced-to-the-disk",
        (("journal.py", "            _force_name(self._folder)\n", ""),),
        POWER_JOURNAL,
    ),
    Bug(
        "records-wait-in-memory",
        (
            (
                "journal.py",
                "        self._map[self._at : end] = frame\n",
                """        self._late = [*getattr(self, "_late", ()), (self._at, end, frame)]
        if len(self._late) > 30:
            for first, last, held in self._late:
                self._map[first:last] = held
            self._late = []
""",
            ),
        ),
        KILLS,
    ),
    Bug(
        "nothing-is-written-before-a-call-is-sent",
        (
            (
                "gate.py",
                "            written = self._scribe.begin(encode_entry(intent))\n",
                "            written = None\n",
            ),
        ),
        KILLS,
    ),
    Bug(
        "a-living-doors-calls-are-interrupted",
        (("storage/carrier.py", "batch, is_over=lock is not None)", "batch, is_over=True)"),),
        KILLS,
    ),
    Bug(
        "interrupted-calls-cost-nothing",
        (("storage/ledger.py", "        cost=intent.held,\n", "        cost=0,\n"),),
        DYING,
    ),
    Bug(
        "money-is-a-float",
        (
            (
                "accounting/cost.py",
                "    return -(-total // tariff.per) + tariff.per_call\n",
                "    return int(total / 1e9 / tariff.per * 1e9) + tariff.per_call\n",
            ),
        ),
        FRACTION,
    ),
    Bug(
        "another-target-after-the-first-byte",
        (("pipeline.py", "is_over or reply.committed or reply.is_gone or", "is_over or reply.is_gone or"),),
        FIRST_BYTE,
    ),
    Bug(
        "an-unknown-price-is-zero",
        (("admission/needs.py", "(cost := ceiling) is None:", "(cost := ceiling or 0) is None:"),),
        UNPRICED,
    ),
    Bug(
        "a-call-is-counted-when-it-ends",
        (
            (
                "storage/call_rows.py",
                "        record.at_ns // _HOUR_NS * _HOUR_NS,\n",
                "        (record.at_ns + record.total_us * 1000) // _HOUR_NS * _HOUR_NS,\n",
            ),
        ),
        WINDOWS,
    ),
    Bug(
        "what-was-spent-stays-lent",
        (("storage/ledger.py", "            _many(run, SHRINK_LEASE, leased)\n", "            pass\n"),),
        RACE,
    ),
    Bug(
        "a-dead-doors-leases-never-end",
        (("storage/ledger.py", "            _many(run, _END_LEASES, ((life,) for life in batch.ended))\n", ""),),
        DYING,
    ),
    Bug(
        "the-upstreams-word-for-usage-is-law",
        (
            (
                "accounting/cost.py",
                "    if _is_plain(usage, fed, made) and _is_within(bound, fed, made, likely_input):\n",
                "    if usage.input_tokens is not None or usage.output_tokens is not None:\n",
            ),
        ),
        "tests/accounting/test_hostile_usage.py",
    ),
    Bug(
        "who-leaves-pays-nothing",
        (
            ("charge.py", '"client_left", ', ""),
            ("charge.py", '    is_cut = end in _CUT or (end != "ok" and has_begun)\n', "    is_cut = end in _CUT\n"),
        ),
        LEAVING,
    ),
    Bug(
        "what-failed-in-its-middle-costs-nothing",
        (("charge.py", '    is_cut = end in _CUT or (end != "ok" and has_begun)\n', "    is_cut = end in _CUT\n"),),
        ENDINGS,
    ),
    Bug(
        "a-broken-exchange-keeps-its-slot",
        (("charge.py", "            self._lender.leave_later(self._permit)\n", "            pass\n"),),
        LEAVING,
    ),
    Bug(
        "slots-come-back-before-the-call-is-over",
        (
            (
                "charge.py",
                "        self._permit = permit\n",
                "        self._permit = permit\n        permit.leave()\n",
            ),
        ),
        SLOTS,
    ),
    Bug(
        "requests-are-free-again-at-once",
        (("admission/rates.py", "        free_at = second + 1 + SPAN\n", "        free_at = second\n"),),
        MINUTE,
    ),
    Bug(
        "a-call-takes-more-than-there-is",
        (("admission/wallet.py", "any(one.free < amount or one.awaited for", "any(one.free < 0 or one.awaited for"),),
        SIZES,
    ),
    Bug(
        "cut-streams-end-without-a-word",
        (
            (
                "pipeline.py",
                "        reply.fail(dialect.errors.event(told))\n",
                "        reply.break_off()\n",
            ),
        ),
        STOPPING,
    ),
    Bug(
        "what-a-door-forgot-unheard-is-lent-again",
        (("storage/bank.py", "kept = max(has, min(drawn, has + closed))", "kept = has"),),
        UNHEARD,
    ),
    Bug(
        "what-a-late-commit-lent-is-never-asked-for",
        (("bank_desk.py", "            self._unsure.update(lines)\n", ""),),
        LATE_COMMITS,
    ),
    Bug(
        "an-older-book-of-rates-is-believed",
        (("storage/valkey.py", 'partition(b"run_id:")', 'partition(b"redis_mode:")'),),
        FORGETTING,
    ),
    Bug(
        "a-book-of-rates-that-begins-anew-is-believed",
        (
            (
                "admission/standby.py",
                "        elif self._epoch not in (None, beat.epoch):\n            self._enter(Mode.JOINING, now)\n",
                "",
            ),
        ),
        FORGETTING,
    ),
    Bug(
        "a-key-ends-by-the-clock-of-its-door",
        (("door.py", "            wall=self._clock,\n", "            wall=wall,\n"),),
        EXPIRY,
    ),
)


def main() -> int:
    """Plants each bug, or the named ones; the exit code."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("names", nargs="*", help="bugs to plant; all if none is named")
    words.add_argument("--check", action="store_true", help="only see whether each bug can still be planted")
    words.add_argument("--list", action="store_true", help="only say the name and the test of each, a tab between")
    words.add_argument("--source", type=Path, default=ROOT / "src", help="folder to copy the source from")
    told = words.parse_args()
    chosen = [bug for bug in BUGS if not told.names or bug.name in told.names]
    if told.list:
        print(*(f"{bug.name}\t{bug.test}" for bug in chosen), sep="\n")
        return 0
    judge = can_be_planted if told.check else is_noticed
    missed = [bug.name for bug in chosen if not judge(bug, told.source)]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} bugs " + ("can be planted" if told.check else "were noticed"))
    return 1 if missed else 0


def can_be_planted(bug: Bug, source: Path) -> bool:
    """Whether the source still has each text that is to be replaced, once."""
    texts: dict[str, str] = {}
    for name, old, new in bug.edits:
        text = texts.get(name) or (source / "unigate" / name).read_text("utf-8")
        if text.count(old) != 1:
            print(f"{bug.name}: src/unigate/{name} has this {text.count(old)} times: {old!r}")
            return False
        texts[name] = text.replace(old, new)
    return True


def is_noticed(bug: Bug, source: Path) -> bool:
    """Whether the test that is named for it goes red with the bug planted."""
    if not can_be_planted(bug, source):
        return False
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="unigate-planted-") as folder:
        copy = Path(folder) / "src"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for name, old, new in bug.edits:
            path = copy / "unigate" / name
            path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "120", bug.test]
        environment = {**os.environ, "PYTHONPATH": str(copy), "TEST_PATIENCE_S": str(TEST_PATIENCE_S)}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    why = re.findall(r"^E +(.+)$", done.stdout, re.MULTILINE)
    is_red = done.returncode == RED and bool(why)  # a run that breaks ends like a red one, but no test says why
    print(
        f"{'red  ' if is_red else 'GREEN'} {bug.name} ({time.monotonic() - begun:.0f} s): {(why or [''])[0][:150]}",
        flush=True,
    )
    if done.returncode and not is_red:
        print(done.stdout[-1500:], done.stderr[-1500:])
    return is_red


if __name__ == "__main__":
    sys.exit(main())
