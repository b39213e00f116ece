"""What Converse leaves to each family of models: how hard to think, top_k, and what may be set beside them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from unigate.conversation import Ask
from unigate.dialects.alternating import Turn
from unigate.dialects.bedrock_converse.families import family_of
from unigate.dialects.claude import generation_of
from unigate.dialects.claude_thoughts import samplers_for, thinking_field, thoughts_for
from unigate.dialects.effort import effort_for
from unigate.dialects.losses import Losses
from unigate.parts import Part
from unigate.target import Target
from unigate.wire.typed import TypedDecoder

__all__ = ["Own", "own_fields"]

# Under names of the module: an enumeration's members are slow to look up.
_TEMPERATURE, _TOP_P, _TOP_K = Part.TEMPERATURE, Part.TOP_P, Part.TOP_K
_WORDS = {"minimal": "low", "low": "low", "medium": "medium"}
_temperature = TypedDecoder(float, "temperature")


class Own(msgspec.Struct):
    """The model's own fields, and what stands elsewhere but depends on them."""

    fields: dict[str, object]
    samplers: dict[Part, float | msgspec.Raw]
    limit: int | None
    refuses_blank_stops: bool = False


def own_fields(ask: Ask, target: Target, turns: Iterable[Turn[object]], losses: Losses) -> Own:
    """What this model is told. Raises Refusal (422) through the losses."""
    family = family_of(target.model)
    if family.thinking == "claude":
        own = _claude(ask, target, turns, losses)
    else:
        own = Own({}, _samplers(ask, losses), ask.max_tokens)
        _add_effort(own, family.thinking, ask, losses)
    top_k = own.samplers.pop(_TOP_K, None)
    if top_k is not None and family.top_k:
        first, *rest = family.top_k
        own.fields[first] = {rest[0]: top_k} if rest else top_k
    elif top_k is not None:
        losses.cannot(Part.TOP_K)
    return own


def _claude(ask: Ask, target: Target, turns: Iterable[Turn[object]], losses: Losses) -> Own:
    """https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html"""
    generation = generation_of(target.model)
    most = target.provider.quirks.default_max_tokens
    thoughts = thoughts_for(ask, generation, most, turns=turns, losses=losses)
    samplers = samplers_for(ask, generation, losses, thinks=thoughts.are_wanted)
    # Without a limit the model's own holds, unless a budget must be less than it.
    limit = thoughts.limit if thoughts.budget is not None else ask.max_tokens
    own = Own({}, samplers, limit, refuses_blank_stops=True)
    if (thinking := thinking_field(thoughts, is_shown=ask.thinking_shown)) is not None:
        own.fields["thinking"] = thinking
    if thoughts.effort is not None:
        own.fields["output_config"] = {"effort": thoughts.effort}
    return own


def _samplers(ask: Ask, losses: Losses) -> dict[Part, float | msgspec.Raw]:
    settings = ask.settings
    found: dict[Part, float | msgspec.Raw] = {part: settings[part] for part in (_TOP_P, _TOP_K) if part in settings}
    if _TEMPERATURE in settings:
        temperature = _temperature.decode(settings[_TEMPERATURE])[0]
        if temperature > 1:
            losses.cannot(_TEMPERATURE)
        else:
            found[_TEMPERATURE] = temperature
    return found


def _add_effort(own: Own, thinking: str, ask: Ask, losses: Losses) -> None:
    effort = ask.effort or (effort_for(ask.thinking_budget) if ask.thinking_budget is not None else None)
    if effort is None or (effort == "none" and thinking != "word"):
        return
    part = Part.THINKING_BUDGET if ask.effort is None else Part.EFFORT
    word = _WORDS.get(effort, "high")
    if thinking == "word" and effort != "none":
        own.fields["reasoning_effort"] = word
    elif thinking == "nova":
        if word == "high" and (own.limit is not None or own.samplers):
            # Its hardest thinking bears no limit and no sampler beside it.
            word = "medium"
            losses.cannot(part)
        own.fields["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": word}
    else:
        losses.cannot(part)
