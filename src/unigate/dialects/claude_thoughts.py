"""How hard a Claude model shall think, and what may be set beside it.

https://platform.claude.com/docs/en/build-with-claude/extended-thinking: a budget is at least 1024 and less than the
limit on the answer, thoughts included; with it no forced tool, no temperature but 1, no top_k, no top_p below 0.95.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from unigate.conversation import Ask, Role, Thinking, ToolUse
from unigate.dialects.alternating import Turn
from unigate.dialects.claude import Generation
from unigate.dialects.effort import budget_for, effort_for
from unigate.dialects.losses import Losses
from unigate.parts import Part
from unigate.wire.typed import TypedDecoder

__all__ = ["Thoughts", "samplers_for", "thinking_field", "thoughts_for"]

W = TypeVar("W")

_LEAST = 1024
# What every model that takes a budget can answer at length.
_ROOMY = 32_000
_LOWEST_TOP_P = 0.95

# Under names of the module: an enumeration's members are slow to look up.
_TEMPERATURE, _TOP_P, _TOP_K = Part.TEMPERATURE, Part.TOP_P, Part.TOP_K

_temperature = TypedDecoder(float, "temperature")
_top_p = TypedDecoder(float, "top_p")


class Thoughts(msgspec.Struct, frozen=True):
    """What is asked for: the limit, a budget, or a word; the model thinks if there is either, or by itself."""

    limit: int
    budget: int | None = None
    is_adaptive: bool = False
    effort: str | None = None
    # They are wanted but must not be: services that think unasked are told so.
    are_forbidden: bool = False

    @property
    def are_wanted(self) -> bool:
        """Whether the request says that the model shall think."""
        return self.budget is not None or self.is_adaptive


def _may_think(turns: Iterable[Turn[W]]) -> bool:
    """Whether a budget for thinking may be set: not in a round of tools that began without thoughts.

    https://platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks
    """
    answers = [turn.blocks for turn in turns if turn.role is Role.ASSISTANT]
    if not answers or not any(isinstance(block, ToolUse) for block in answers[-1]):
        return True
    return isinstance(answers[-1][0], Thinking)


def thinking_field(thoughts: Thoughts, *, is_shown: bool | None) -> dict[str, object] | None:
    """The `thinking` object of a request that asks for thoughts, or for none."""
    if not thoughts.are_wanted:
        return {"type": "disabled"} if thoughts.are_forbidden else None
    if thoughts.budget is not None:
        return {"type": "enabled", "budget_tokens": thoughts.budget}
    if is_shown is None:
        return {"type": "adaptive"}
    # Newer models show nothing unless they are asked.
    return {"type": "adaptive", "display": "summarized" if is_shown else "omitted"}


def thoughts_for(ask: Ask, generation: Generation, most: int, *, turns: Iterable[Turn[W]], losses: Losses) -> Thoughts:
    """What to ask for; `most` is the limit where the client set none. Raises Refusal (422) through the losses."""
    limit = ask.max_tokens if ask.max_tokens is not None else most
    plain = Thoughts(limit)
    if ask.effort is None and ask.thinking_budget is None:
        return plain
    may_think = _may_think(turns)
    part = Part.THINKING_BUDGET if ask.effort is None else Part.EFFORT
    budget = _budget(ask)
    if budget == 0:
        return _least(plain, generation, part, losses)
    is_forced = ask.tool_choice is not None and ask.tool_choice.mode in ("required", "named")
    if generation.thinking == "none" or is_forced:
        losses.cannot(part)
        return plain
    if generation.thinking == "adaptive":
        word = ask.effort or effort_for(budget)
        return Thoughts(limit, None, True, _WORDS.get(word, generation.most_effort))
    if ask.max_tokens is None:
        limit = max(most, min(budget + most, _ROOMY))
    budget = max(min(budget, limit * 3 // 4), _LEAST)
    if budget >= limit or not may_think:
        losses.cannot(part)
        return Thoughts(plain.limit, are_forbidden=not may_think)
    return Thoughts(limit, budget)


def _budget(ask: Ask) -> int:
    if ask.effort == "none":
        return 0
    if ask.thinking_budget is not None and ask.thinking_budget >= 0:
        return ask.thinking_budget
    return budget_for(ask.effort or "medium")


def _least(plain: Thoughts, generation: Generation, part: Part, losses: Losses) -> Thoughts:
    """No thoughts; models that always think refuse to be told so, and are asked for as few as can be."""
    if not generation.thinks_unasked:
        return plain
    losses.cannot(part)
    return Thoughts(plain.limit, effort="low")


_WORDS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}


def samplers_for(ask: Ask, generation: Generation, losses: Losses, *, thinks: bool) -> dict[Part, float | msgspec.Raw]:
    """Temperature, top_p and top_k as far as the model takes them; its own default of 1 needs no saying."""
    found: dict[Part, float | msgspec.Raw] = {}
    settings = ask.settings
    if _TEMPERATURE in settings:
        temperature = _temperature.decode(settings[_TEMPERATURE])[0]
        if temperature > 1 or (temperature != 1 and (thinks or not generation.samplers)):
            losses.cannot(_TEMPERATURE)
        elif generation.samplers:
            found[_TEMPERATURE] = temperature
    if _TOP_P in settings:
        top_p = _top_p.decode(settings[_TOP_P])[0]
        is_one_too_many = generation.samplers - len(found) < 1
        if top_p != 1 and (is_one_too_many or (thinks and top_p < _LOWEST_TOP_P)):
            losses.cannot(_TOP_P)
        elif not is_one_too_many:
            found[_TOP_P] = top_p
    if _TOP_K in settings:
        if thinks or not generation.samplers:
            losses.cannot(_TOP_K)
        else:
            found[_TOP_K] = settings[_TOP_K]
    return found
