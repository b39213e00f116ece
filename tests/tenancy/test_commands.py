"""The commands that ask the administration: with a gateway running and without one, in English and in Chinese."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import until
from test_keeper import Running, record, settings, start_keeper, write
from unigate import calls_command, groups_command, keys_command, usage_command
from unigate.accounting.record import FailedAttempt
from unigate.calls_command import CallsWanted
from unigate.cli import main
from unigate.clock import wall
from unigate.command_words import LimitsWanted
from unigate.groups_command import GroupWanted
from unigate.journal import Journal, take_lock
from unigate.keys_command import KeyWanted
from unigate.operator_line import Place
from unigate.tables import Paint, money, table
from unigate.usage import Usage

ENGLISH = {"LANG": "C.UTF-8"}
CHINESE = {"LANG": "zh_CN.UTF-8"}
Capture = pytest.CaptureFixture[str]


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """A running gateway's keeper, with two calls of today: one that succeeded after a fault, one that was refused."""
    with start_keeper(folder, settings()) as keeper:
        lock = take_lock(keeper.data / "lock")
        assert lock is not None
        keys_command.create(Place(keeper.data), KeyWanted(name="团队 a"), ENGLISH)
        key = keeper.stored().keys[0]
        journal = Journal(keeper.data / "journal" / "door-0-aa")
        good = record(
            1,
            at_ns=wall(),
            key=key.id,
            name=key.name,
            model="smart",
            provider="openai",
            target="gpt-4o",
            cost=1_234_500_000,
            usage=Usage(input_tokens=1200, output_tokens=34),
            attempts=(FailedAttempt("other", "gpt-4o", "upstream_error", 5),),
            total_us=1_500_000,
        )
        bad = record(2, at_ns=wall(), key=key.id, name=key.name, status=429, end="refused", error="insufficient_quota")
        write(journal, good, bad)
        yield keeper
        journal.close()
        os.close(lock)


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as keeper:
        yield keeper


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for tests that change nothing."""
    with running(tmp_path_factory.mktemp("untouched")) as keeper:
        yield keeper


def test_projects_are_made_listed_and_ended(keeper: Running, capsys: Capture) -> None:
    data = keeper.data
    acme = GroupWanted(name="acme", limits=LimitsWanted(budget_usd_per_month=500))
    web = GroupWanted(name="web", organisation="acme", limits=LimitsWanted(concurrency=50, budget_usd_per_day=0.5))
    codes = [groups_command.create(Place(data), "organisations", acme, ENGLISH)]
    codes.append(groups_command.create(Place(data), "projects", web, ENGLISH))
    ids = capsys.readouterr().out.split()
    codes.append(keys_command.create(Place(data), KeyWanted(name="web-prod", project="web"), ENGLISH))
    capsys.readouterr()
    codes.append(groups_command.list_(Place(data), "projects", ENGLISH))
    listed = capsys.readouterr().out
    codes += [
        groups_command.end(Place(data), "organisations", "acme", CHINESE),
        groups_command.end(Place(data), "projects", "x", ENGLISH),
    ]
    said = capsys.readouterr().err

    assert codes == [0, 0, 0, 0, 1, 1]
    assert [id.partition("_")[0] for id in ids] == ["org", "proj"]
    assert listed.splitlines()[0].split() == ["ID", "NAME", "ORGANISATION", "MODELS", "LIMITS", "WHERE"]
    assert [cell.strip() for cell in listed.splitlines()[1].split("  ") if cell] == [
        *(ids[1], "web", "acme", "all", "50 at once, $0.50/day", "database"),
    ]
    assert "“acme”仍在使用" in said and "nothing with the id or name 'x'" in said
    assert keeper.stored().keys[-1].project == ids[1]


def test_a_key_is_rotated_by_its_name(keeper: Running, capsys: Capture) -> None:
    before = keeper.stored().keys[0]
    capsys.readouterr()
    code = keys_command.rotate(Place(keeper.data), "团队 a", 7200, ENGLISH)
    said = capsys.readouterr()
    after = keeper.stored().keys[0]

    assert code == 0 and said.out.startswith("sk-ug-") and "works for 2 more hours" in said.err
    assert (after.id, after.old_hash) == (before.id, before.hash)


def test_usage_is_told_by_what_is_asked_for_with_a_sum(untouched: Running, capsys: Capture) -> None:
    until_carried(untouched, capsys)
    codes = [usage_command.usage(Place(untouched.data), ["key", "model"], 7, ENGLISH)]
    lines = capsys.readouterr().out.splitlines()
    codes.append(usage_command.usage(Place(untouched.data), ["day"], 1, CHINESE))
    chinese = capsys.readouterr().out.splitlines()

    assert codes == [0, 0]
    assert lines[0].split() == ["KEY", "MODEL", "CALLS", "INPUT", "OUTPUT", "COST"]
    assert sorted(line.split() for line in lines[1:-1]) == [
        ["团队", "a", "-", "1", "0", "0", "$0.00"],
        ["团队", "a", "smart", "1", "1,200", "34", "$1.23"],
    ]
    assert lines[-1].split() == ["all", "2", "1,200", "34", "$1.23"]
    assert chinese[0].split() == ["日期", "调用", "输入", "输出", "花费"]


def test_calls_are_listed_the_newest_last_and_filtered(untouched: Running, capsys: Capture) -> None:
    until_carried(untouched, capsys)
    codes = [calls_command.several(Place(untouched.data), CallsWanted(), ENGLISH)]
    every = capsys.readouterr().out.splitlines()
    codes.append(calls_command.several(Place(untouched.data), CallsWanted(key="团队 a", errors=True), ENGLISH))
    wrong = capsys.readouterr().out.splitlines()
    codes.append(calls_command.several(Place(untouched.data), CallsWanted(key="nobody"), CHINESE))
    none = capsys.readouterr().out

    assert codes == [0, 0, 0]
    assert every[0].split() == [
        "TIME",
        "STATUS",
        "KEY",
        "MODEL",
        "AT",
        "INPUT",
        "OUTPUT",
        "TOOK",
        "COST",
        "ERROR",
        "ID",
    ]
    assert every[1].split()[2:] == [
        "200",
        "团队",
        "a",
        "smart",
        *["openai/gpt-4o", "1,200", "34", "1,500", "ms", "$1.23", "req_00000001"],
    ]
    assert [line.split()[-1] for line in every[1:]] == ["req_00000001", "req_00000002"]
    assert [line.split()[-2:] for line in wrong[1:]] == [["insufficient_quota", "req_00000002"]]
    assert none == "没有这样的调用。\n"


def test_a_call_is_shown_whole(untouched: Running, capsys: Capture) -> None:
    until_carried(untouched, capsys)
    codes = [calls_command.one(Place(untouched.data), id, False, ENGLISH) for id in ("req_00000001", "req_none")]
    said = capsys.readouterr()
    told = dict(line.split(None, 1) for line in said.out.splitlines())

    assert codes == [0, 1]
    assert (told["cost_nano"], told["model"]) == ("1234500000 ($1.23)", "smart")
    assert '"end":"upstream_error"' in told["attempts"]
    assert said.err == "There is no call with the id 'req_none'.\n"


def until_carried(keeper: Running, capsys: Capture) -> None:
    def is_there() -> bool:
        return calls_command.one(Place(keeper.data), "req_00000002", False, ENGLISH) == 0

    until(is_there, "the call's row")
    capsys.readouterr()


def test_without_a_gateway_the_same_is_done_in_the_database(tmp_path: Path, capsys: Capture) -> None:
    data = tmp_path / "data"
    codes = [
        main(["usage", "--data", str(data)]),
        main(["keys", "--data", str(data), "create", "a", "--budget-total", "5"]),
    ]
    codes += [main([noun, "--data", str(data), "list"]) for noun in ("keys", "projects")]
    codes += [main(["usage", "--data", str(data)]), main(["calls", "--data", str(data)])]

    assert codes == [2, 0, 0, 0, 0, 0]
    assert "$5.00" in capsys.readouterr().out


def test_without_a_gateway_the_configuration_says_where_and_what_is_named(tmp_path: Path, capsys: Capture) -> None:
    data, config = tmp_path / "data", tmp_path / "unigate.yaml"
    config.write_text("projects: {web: {}}\n")
    told = ["--data", str(data), "--config", str(config)]
    codes = [main(["keys", *told, "create", "a", "--project", "web"]), main(["projects", *told, "create", "web"])]
    config.write_text("projects: {web: {organisation: none}}\n")
    codes.append(main(["keys", *told, "list"]))
    said = capsys.readouterr()

    assert codes == [0, 1, 1]
    assert "'web' is named in the configuration file" in said.err
    assert "there is no organisation 'none'" in said.err


def test_every_term_has_a_flag(tmp_path: Path, capsys: Capture) -> None:
    data = str(tmp_path / "data")
    flags = ["--role", "admin", "--scope", "read", "--expires", "2030-12-31", "--address", "10.0.0.0/8", "--tag", "a=b"]
    limits = ["--requests-per-minute", "6", "--tokens-per-minute", "7", "--concurrency", "8", "--budget-day", "0.015"]
    assert main(["keys", "--data", data, "create", "a", *flags, *limits, "--budget-month", "2"]) == 0
    assert main(["keys", "--data", data, "list"]) == 0
    listed = capsys.readouterr().out

    assert "6 requests/min, 7 tokens/min, 8 at once, $0.015/day, $2.00/month" in listed
    assert "2031-01-01T00:00:00Z" in listed


@pytest.mark.parametrize(
    "given",
    [
        ["keys", "create", "a", "--budget-total", "nan"],
        ["keys", "create", "a", "--budget-day", "inf"],
        ["keys", "create", "a", "--budget-month", "-1"],
        ["keys", "create", "a", "--budget-day", "0.0000000001"],
        ["usage", "--days", "100000000"],
        ["keys", "create", "a", "--budget-day", "much"],
        ["usage", "--days", "0"],
        ["usage", "--days", "all"],
        ["calls", "--count", "-5"],
    ],
)
def test_numbers_that_mean_nothing_are_refused_by_name(given: list[str], tmp_path: Path, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*given, "--data", str(tmp_path)] if given[0] != "keys" else ["keys", "--data", str(tmp_path), *given[1:]])

    assert ended.value.code == 2
    assert f"argument {given[-2]}: '{given[-1]}' is" in capsys.readouterr().err


def test_who_follows_sees_what_comes_and_not_what_was(untouched: Running, capsys: Capture) -> None:
    until_carried(untouched, capsys)
    command = [sys.executable, "-m", "unigate", "calls", "--follow", "--count", "1", "--data", str(untouched.data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        seen = [following.stdout.readline().split()[-1] for _ in range(2)]
        journal = Journal(untouched.data / "journal" / "door-0-bb")
        write(journal, record(3, at_ns=wall()))
        seen.append(following.stdout.readline().split()[-1])
        journal.close()
        following.kill()

    assert seen == ["ID", "req_00000002", "req_00000003"]


# --- tables


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (None, "?"),
        (0, "$0.00"),
        (1, "$0.000000001"),
        (1_500_000, "$0.0015"),
        (10_000_000, "$0.01"),
        (1_234_567_890_000_000_000, "$1,234,567,890.00"),
        (-5_000_000_000, "$-5.00"),
    ],
)
def test_an_amount_is_told_in_dollars(nano: int | None, shown: str) -> None:
    assert money(nano) == shown


def test_chinese_columns_stand_below_each_other() -> None:
    assert table([["名称", "N"], ["a", "10"], ["é", "5"]], right=(1,)) == "名称   N\na     10\né      5"


def test_colours_are_for_terminals_alone() -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    assert Paint(Terminal(), "")("x", 31) == "\x1b[31mx\x1b[0m"  # type: ignore[arg-type]
    assert Paint(Terminal(), "1")("x", 31) == "x"  # type: ignore[arg-type]


@pytest.mark.parametrize("command", ["calls", "export"])
def test_whoever_reads_only_the_first_line_hears_of_no_trouble(untouched: Running, command: str) -> None:
    until(lambda: untouched.stored().keys)
    line = f"{sys.executable} -m unigate {command} --data {untouched.data} | true"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, timeout=60)
    assert (done.returncode, "Traceback" in done.stderr, "Broken pipe" in done.stderr) == (0, False, False)
