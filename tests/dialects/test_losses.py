"""What is lost is judged and told by the client's own table."""

from __future__ import annotations

import msgspec
import pytest

from dialects.conversions import call, sent
from unigate.config import ProviderSettings
from unigate.config_file import load_table
from unigate.conversation import Ask
from unigate.dialects.losses import Losses, hint, meaning
from unigate.dialects.table import DIALECTS
from unigate.dialects.translated import Translated
from unigate.errors import Refusal
from unigate.parts import Part
from unigate.routing.table import build_provider
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


def test_a_hint_is_refused_where_the_operator_lets_nothing_be_left_out() -> None:
    losses = Losses(FIELDS, "a target", strict=True)

    for lose in (
        lambda: losses.cannot(Part.SEED),
        lambda: losses.drop(["colour"]),
        lambda: losses.begin(Ask(model="m", messages=(), others=("tools[]",))),
        lambda: losses.begin(Ask(model="m", messages=(), unknown=("messages[].weight",))),
    ):
        with pytest.raises(Refusal):
            lose()
    losses.bends(Part.N)

    assert losses.dropped == ("n",)


def test_a_provider_that_refuses_hints_names_the_one_it_cannot_carry() -> None:
    settings = ProviderSettings(api_key=Secret("k"), hints="refuse")
    strict = Target(build_provider("anthropic", settings, load_table()), "claude-x")
    chat, messages = DIALECTS["openai.chat"], DIALECTS["anthropic.messages"]
    assert chat.client is not None and messages.provider is not None
    crossing = Translated(chat.client, messages, messages.provider, streamed=False, names_model=True)

    with pytest.raises(Refusal) as caught:
        crossing.outgoing(call("openai.chat", {"messages": [{"role": "user", "content": "hi"}], "seed": 7}), strict)

    assert (caught.value.told.status, caught.value.told.param) == (422, "seed")


def test_vectors_are_refused_as_strictly() -> None:
    body = {"input": "hi", "user": "u"}
    assert sent("openai.embeddings", "cohere.embed", body)[1] == ("user",)

    with pytest.raises(Refusal):
        sent("openai.embeddings", "cohere.embed", body, refuses_hints=True)
