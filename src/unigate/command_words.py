"""What the commands that ask the administration have in common: their words, their limits, their way to fail."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

import msgspec

from unigate.errors import ConfigError, Refusal, StorageError
from unigate.operator_line import NoAnswer, OperatorLine, Place, open_line
from unigate.serve import Stop
from unigate.tables import whole_money
from unigate.texts import is_chinese

__all__ = ["GroupLine", "LimitsWanted", "Words", "group_id", "groups_of", "limits_from", "run_command", "shown_limits"]

_NANO = 1_000_000_000

_COMMON = {
    "no_data": (
        "There is no gateway's data in {data}; say where it is with --data, or start one with 'unigate serve'.",
        "{data} 中没有网关数据；请用 --data 指定目录，或先运行 unigate serve。",
    ),
    "no_answer": (
        "A gateway runs on {data}, but its keeper does not answer ({reason}); its log says why. Try again in a moment.",
        "网关正在 {data} 上运行，但 keeper 没有应答（{reason}），原因见其日志。请稍后重试。",
    ),
    "config_bad": (
        "The configuration says where keys are kept, and it cannot be used:\n{reason}",
        "密钥保存在何处由配置文件决定，而它无法使用：\n{reason}",
    ),
    "storage": ("The change could not be kept: {reason}", "更改未能保存：{reason}"),
    "file": ("configuration", "配置文件"),
    "store": ("database", "数据库"),
    "all": ("all", "全部"),
    "requests_per_minute": ("{value} requests/min", "每分钟 {value} 次"),
    "tokens_per_minute": ("{value} tokens/min", "每分钟 {value} token"),
    "concurrency": ("{value} at once", "并发 {value}"),
    "budget_usd_per_day": ("{value}/day", "每天 {value}"),
    "budget_usd_per_month": ("{value}/month", "每月 {value}"),
    "budget_usd_total": ("{value} in all", "共 {value}"),
}


class LimitsWanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits as the command line takes them; what is left out is not limited."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    budget_usd_per_day: float | None = None
    budget_usd_per_month: float | None = None
    budget_usd_total: float | None = None


class GroupLine(msgspec.Struct, frozen=True):
    """A project or an organisation as it is listed."""

    id: str
    name: str
    models: tuple[str, ...] | None
    limits: LimitsWanted
    source: str
    organisation: str | None = None


class _Groups(msgspec.Struct):
    data: tuple[GroupLine, ...]


class Words:
    """The sentences of one command in the user's language."""

    def __init__(self, own: Mapping[str, tuple[str, str]], environment: Mapping[str, str]) -> None:
        self._texts = {**_COMMON, **own}
        self._column = 1 if is_chinese(environment) else 0

    def __call__(self, sentence: str, /, **values: object) -> str:
        """The sentence called so, its gaps filled."""
        return self._texts[sentence][self._column].format(**values)

    def refusal(self, refusal: Refusal, name: str) -> str:
        """Why the gateway said no; in its own words if it is none of the reasons known here."""
        told = refusal.told
        return self(told.code, name=name) if told.code in self._texts else told.message


def run_command(
    place: Place, name: str, act: Callable[[OperatorLine], None], say: Words, *, needs_data: bool = False
) -> int:
    """Does one thing at the administration, and says why if it cannot be done; the exit code."""
    try:
        with open_line(place, is_new=not needs_data) as line:
            if line is None:
                print(say("no_data", data=place.data), file=sys.stderr)
                return 2
            act(line)
        return 0
    except Refusal as refusal:
        print(say.refusal(refusal, name), file=sys.stderr)
    except NoAnswer as error:
        print(say("no_answer", data=place.data, reason=error), file=sys.stderr)
    except Stop as stop:
        print(stop, file=sys.stderr)
    except ConfigError as error:
        print(say("config_bad", reason=error), file=sys.stderr)
    except BrokenPipeError:
        raise  # whoever reads what is printed has seen enough
    except (StorageError, OSError) as error:
        print(say("storage", reason=error), file=sys.stderr)
    return 1


def groups_of(line: OperatorLine, noun: str) -> list[GroupLine]:
    """All `projects` or `organisations`."""
    return [one for content in line.pages("/" + noun) for one in msgspec.json.decode(content, type=_Groups).data]


def group_id(line: OperatorLine, word: str, nouns: Sequence[str]) -> str:
    """The id of the project or organisation of that id or name; the word itself if there is none."""
    found = [one for noun in nouns for one in groups_of(line, noun)]
    return next((one.id for one in found if word in (one.id, one.name)), word)


def limits_from(choices: argparse.Namespace) -> LimitsWanted:
    """The limits that were given on the command line."""
    return LimitsWanted(
        choices.requests_per_minute,
        choices.tokens_per_minute,
        choices.concurrency,
        choices.budget_day,
        choices.budget_month,
        choices.budget_total,
    )


def shown_limits(limits: LimitsWanted, say: Words) -> str:
    """Limits in as few words as possible."""
    told = [
        say(name, value=whole_money(round(value * _NANO)) if name.startswith("budget") else value)
        for name, value in msgspec.structs.asdict(limits).items()
        if value is not None
    ]
    return ", ".join(told) or "-"
