"""What the commands say of a gateway's data, in the user's language; each command adds its own sentences."""

from __future__ import annotations

from collections.abc import Mapping

from unigate.errors import Refusal
from unigate.texts import is_chinese

__all__ = ["Words"]

_COMMON = {
    "no_data": (
        "There is no gateway's data in {data}; say where it is with --data, or start one with 'unigate serve'.",
        "{data} 中没有网关数据；请用 --data 指定目录，或先运行 unigate serve。",
    ),
    "no_answer": (
        "A gateway runs on {data}, but its keeper does not answer ({reason}); its log says why. Try again in a moment.",
        "网关正在 {data} 上运行，但 keeper 没有应答（{reason}），原因见其日志。请稍后重试。",
    ),
    "storage": ("The change could not be kept: {reason}", "更改未能保存：{reason}"),
}


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
