"""The command line: `unigate serve`, `check`, `keys`, `export`, `db`, `local install`, `mock`."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import unigate

if TYPE_CHECKING:
    from unigate.operator_line import Place

__all__ = ["main"]


_LEAST_DOLLARS = 1e-9
_MOST_SHOWN = 36_500
_DIMENSIONS = ("day", "hour", "key", "project", "organisation", "model", "provider", "status")


class Commands(Protocol):
    """What argparse hands out to add commands to; its own class for this is private."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser:
        """A parser for one more command."""
        ...


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["mock"]:
        from unigate.mock.__main__ import main as mock

        mock(given[1:])
        return 0
    choices = _parser().parse_args(given)
    if sys.platform == "win32":
        from unigate.texts import Texts

        print(Texts(os.environ)("not_windows"), file=sys.stderr)
        return 2
    try:
        code = choices.run(choices)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # `unigate calls | head` is over; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="unigate", description="One door to every language model.")
    parser.add_argument("--version", action="version", version=f"unigate {unigate.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_check(commands)
    _add_keys(commands)
    for noun, what in (("projects", "what keys belong to"), ("organisations", "what projects belong to")):
        _add_groups(commands, noun, what)
    _add_usage(commands)
    _add_calls(commands)
    _add_ledger(commands)
    local = commands.add_parser("local", help="the models that run on this machine").add_subparsers(required=True)
    local.add_parser("install", help="install them, about 235 MB").set_defaults(run=_local_install)
    commands.add_parser("mock", help="run the scripted upstream; see docs/mock.md")
    return parser


def _add_serve(commands: Commands) -> None:
    serve = commands.add_parser("serve", help="run the gateway")
    _add_config(serve)
    serve.add_argument("--data", type=Path, default=Path("data"), help="folder for keys and records (./data)")
    serve.add_argument("--logs", type=Path, default=Path("logs"), help="folder for proxy.log (./logs)")
    serve.add_argument("--host", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (8000)")
    serve.add_argument("--workers", type=int, help="number of doors that share the port (1)")
    serve.add_argument("--demo", action="store_true", help="answer from the demo, whatever is configured")
    serve.add_argument("--show-keys", action="store_true", help="print the first keys even without a terminal")
    serve.set_defaults(run=_serve)


def _add_check(commands: Commands) -> None:
    check = commands.add_parser("check", help="validate the configuration file")
    _add_config(check)
    check.add_argument("--schema", action="store_true", help="print the file's JSON Schema, for editors")
    check.set_defaults(run=_check)


def _add_keys(commands: Commands) -> None:
    keys = commands.add_parser("keys", help="make, list and revoke clients' keys")
    keys.add_argument("--data", type=Path, default=Path("data"), help="the gateway's data folder (./data)")
    _add_config(keys)
    actions = keys.add_subparsers(required=True, metavar="ACTION", dest="action")
    create = actions.add_parser("create", help="make a key and show it once")
    create.add_argument("name", help="who or what will use it")
    create.add_argument("--role", choices=("client", "admin"), default="client")
    create.add_argument("--model", action="append", dest="models", help="a name it may call; repeat for more (all)")
    create.add_argument("--project", help="the project it belongs to, by id or name")
    _add_limits(create)
    create.add_argument("--expires", help="its last day, such as 2030-12-31, or an RFC 3339 instant (never)")
    create.add_argument("--address", action="append", dest="addresses", help="where it may be used from; repeat (all)")
    create.add_argument("--tag", action="append", dest="tags", default=[], metavar="NAME=VALUE", help="repeat for more")
    create.add_argument("--scope", action="append", dest="scopes", help="of an admin key: read, keys, settings, bodies")
    create.add_argument("--confined-to", help="of an admin key: the project or organisation that is all it sees")
    actions.add_parser("list", help="show all keys, without their texts")
    actions.add_parser("revoke", help="end a key").add_argument("key", help="its id or name")
    rotate = actions.add_parser("rotate", help="give a key a new text, shown once; the former one works for a while")
    rotate.add_argument("key", help="its id or name")
    rotate.add_argument("--overlap", type=float, default=24.0, help="hours the former text goes on working (24)")
    keys.set_defaults(run=_keys)


def _add_groups(commands: Commands, noun: str, what: str) -> None:
    groups = commands.add_parser(noun, help=f"make, list and end {noun}: {what}")
    groups.add_argument("--data", type=Path, default=Path("data"), help="the gateway's data folder (./data)")
    _add_config(groups)
    actions = groups.add_subparsers(required=True, metavar="ACTION", dest="action")
    create = actions.add_parser("create", help="make one and print its id")
    create.add_argument("name", help="letters, digits, '.', '_' and '-'")
    create.add_argument("--model", action="append", dest="models", help="a name its keys may call; repeat (all)")
    if noun == "projects":
        create.add_argument("--organisation", help="what it belongs to, by id or name")
    _add_limits(create)
    actions.add_parser("list", help="show all")
    actions.add_parser("end", help="end one that is not in use").add_argument("name", help="its id or name")
    groups.set_defaults(run=_groups, noun=noun, organisation=None)


def _add_usage(commands: Commands) -> None:
    usage = commands.add_parser("usage", help="show what was used: calls, tokens, dollars")
    usage.add_argument("--data", type=Path, default=Path("data"), help="the gateway's data folder (./data)")
    _add_config(usage)
    words = ", ".join(_DIMENSIONS)
    usage.add_argument("--by", action="append", choices=_DIMENSIONS, metavar="WHAT", help=f"{words}; repeat (day)")
    usage.add_argument("--days", type=_some, default=7, help="how many days, today counted (7)")
    usage.set_defaults(run=_usage)


def _add_calls(commands: Commands) -> None:
    calls = commands.add_parser("calls", help="show the latest calls, or one whole")
    calls.add_argument("id", nargs="?", help="show this one, whole")
    calls.add_argument("--data", type=Path, default=Path("data"), help="the gateway's data folder (./data)")
    _add_config(calls)
    calls.add_argument("--key", help="only of this key, by id or name")
    calls.add_argument("--project", help="only of this project, by id or name")
    calls.add_argument("--model", help="only to this model")
    calls.add_argument("--provider", help="only to this provider")
    calls.add_argument("--errors", action="store_true", help="only those that went wrong")
    calls.add_argument("--count", type=_some, default=20, help="how many (20)")
    calls.add_argument("--follow", action="store_true", help="go on with those that come")
    calls.add_argument("--bodies", action="store_true", help="of one call: also what was kept of its bodies")
    calls.set_defaults(run=_calls)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests-per-minute", type=int, metavar="N")
    parser.add_argument("--tokens-per-minute", type=int, metavar="N")
    parser.add_argument("--concurrency", type=int, metavar="N", help="calls at once")
    parser.add_argument("--budget-day", type=_dollars, metavar="USD", help="US dollars for each day (UTC)")
    parser.add_argument("--budget-month", type=_dollars, metavar="USD", help="US dollars for each month (UTC)")
    parser.add_argument("--budget-total", type=_dollars, metavar="USD", help="US dollars ever")


def _dollars(text: str) -> float:
    """An amount that can be kept: nan would be none at all, and less than a nano-dollar would be 0."""
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not 0 <= amount < math.inf or 0 < amount < _LEAST_DOLLARS:
        raise argparse.ArgumentTypeError(f"'{text}' is no amount of dollars; write 0 or more, such as 12.50")
    return amount


def _some(text: str) -> int:
    """One or more, and no more than anybody can look at."""
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_SHOWN:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number between 1 and {_MOST_SHOWN:,}")
    return int(text)


def _add_ledger(commands: Commands) -> None:
    export = commands.add_parser("export", help="write calls as JSON lines")
    export.add_argument("--from", dest="since", default="1970-01-01", help="first day or time, in UTC")
    export.add_argument("--to", dest="until", default="2200-01-01", help="the day or time before which it ends")
    export.add_argument("--format", choices=("jsonl",), default="jsonl", metavar="FORMAT", help="jsonl")
    export.add_argument("--output", type=Path, help="file to write (standard output)")
    export.set_defaults(run=_export)
    books = commands.add_parser("db", help="look after the database")
    actions = books.add_subparsers(required=True, metavar="ACTION", dest="action")
    check = actions.add_parser("check", help="compare journal, rows and counters")
    forget = actions.add_parser("forget", help="free what a lost gateway had reserved")
    forget.add_argument("gateway", help="its id, as in its data folder's gateway-id")
    books.set_defaults(run=_books)
    move = commands.add_parser("migrate-store", help="move the ledger from SQLite to PostgreSQL, traffic running")
    move.add_argument("--to", required=True, help="postgresql://user:password@host:5432/name, an empty database")
    move.set_defaults(run=_move_store)
    for one in (export, check, forget, move):
        _add_config(one)
        one.add_argument("--data", type=Path, default=Path("data"), help="the gateway's data folder (./data)")


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="configuration file (./unigate.yaml if there)")


def _serve(choices: argparse.Namespace) -> int:
    from unigate.serve import Choices, serve

    return serve(
        Choices(
            config=choices.config,
            data=choices.data,
            logs=choices.logs,
            host=choices.host,
            port=choices.port,
            workers=choices.workers,
            demo=choices.demo,
            show_keys=choices.show_keys,
        ),
        os.environ,
    )


def _check(choices: argparse.Namespace) -> int:
    from unigate.check import check

    return check(choices.config, schema=choices.schema, environment=os.environ)


def _keys(choices: argparse.Namespace) -> int:
    from unigate import keys_command

    match choices.action:
        case "create":
            return keys_command.create(_place(choices), keys_command.wanted_from(choices), os.environ)
        case "rotate":
            return keys_command.rotate(_place(choices), choices.key, round(choices.overlap * 3600), os.environ)
        case "revoke":
            return keys_command.revoke(_place(choices), choices.key, os.environ)
        case _:
            return keys_command.list_(_place(choices), os.environ)


def _place(choices: argparse.Namespace) -> Place:
    from unigate.operator_line import Place

    return Place(choices.data, choices.config)


def _groups(choices: argparse.Namespace) -> int:
    from unigate import groups_command
    from unigate.command_words import limits_from

    match choices.action:
        case "create":
            told = (choices.name, limits_from(choices), choices.models, choices.organisation)
            return groups_command.create(_place(choices), choices.noun, groups_command.GroupWanted(*told), os.environ)
        case "end":
            return groups_command.end(_place(choices), choices.noun, choices.name, os.environ)
        case _:
            return groups_command.list_(_place(choices), choices.noun, os.environ)


def _usage(choices: argparse.Namespace) -> int:
    from unigate import usage_command

    return usage_command.usage(_place(choices), choices.by or ["day"], choices.days, os.environ)


def _calls(choices: argparse.Namespace) -> int:
    from unigate import calls_command

    if choices.id is not None:
        return calls_command.one(_place(choices), choices.id, choices.bodies, os.environ)
    wanted = calls_command.CallsWanted(
        key=choices.key,
        project=choices.project,
        model=choices.model,
        provider=choices.provider,
        errors=choices.errors,
        count=choices.count,
        follow=choices.follow,
    )
    return calls_command.several(_place(choices), wanted, os.environ)


def _export(choices: argparse.Namespace) -> int:
    from unigate import ledger_command

    span = (choices.since, choices.until)
    return ledger_command.export(choices.config, choices.data, span, choices.output, os.environ)


def _move_store(choices: argparse.Namespace) -> int:
    from unigate import ledger_command

    return ledger_command.move_store(choices.config, choices.data, choices.to, os.environ)


def _books(choices: argparse.Namespace) -> int:
    from unigate import ledger_command

    if choices.action == "forget":
        return ledger_command.forget(choices.config, choices.data, choices.gateway, os.environ)
    return ledger_command.check(choices.config, choices.data, os.environ)


def _local_install(choices: argparse.Namespace) -> int:
    from unigate.local.install import install

    return install()


if __name__ == "__main__":
    sys.exit(main())
