"""What is lost is judged and told by the client's own table."""

from __future__ import annotations

import msgspec
import pytest

from unigate.dialects.losses import Losses, hint, meaning
from unigate.dialects.table import DIALECTS
from unigate.errors import Refusal
from unigate.parts import Part
from unigate.secret import Secret
from unigate.target import Provider, Target

TARGET = Target(Provider(name="p", endpoints=(), key=Secret("k")), "m")
RAW_HI = msgspec.Raw(b'[{"parts":[{"text":"hi"}]}]')
COMPUTER = msgspec.Raw(b'[{"computerUse":{"environment":"ENVIRONMENT_BROWSER"}}]')
FIELDS = {"tools[]": hint(Part.HOSTED_TOOLS), "tools[].computerUse": meaning(Part.HOSTED_TOOLS), "n": meaning(Part.N)}


def test_a_hosted_tool_has_the_weight_of_its_own_row() -> None:
    losses = Losses(FIELDS, "a target")

    losses.cannot(Part.HOSTED_TOOLS, "googleSearch")
    with pytest.raises(Refusal) as caught:
        losses.cannot(Part.HOSTED_TOOLS, "computerUse")

    assert losses.dropped == ("googleSearch",)
    assert (caught.value.told.status, caught.value.told.param) == (422, "computerUse")


@pytest.mark.parametrize("provider", ["openai.chat", "openai.responses", "anthropic.messages", "ollama.chat"])
def test_geminis_computer_use_is_refused_wherever_it_cannot_be_carried(provider: str) -> None:
    client, target = DIALECTS["gemini.generate"].client, DIALECTS[provider]
    assert client is not None and target.provider is not None
    ask = client.read_ask({"contents": RAW_HI, "tools": COMPUTER}, "m", False)

    with pytest.raises(Refusal) as caught:
        target.provider.write_ask(ask, TARGET, Losses(client.fields, provider))

    assert caught.value.told.param == "computerUse"


def test_what_bends_is_told_and_never_refused() -> None:
    losses = Losses(FIELDS, "a target")

    losses.bends(Part.N)
    losses.bends(Part.SEED)

    assert losses.dropped == ("n", "seed")
