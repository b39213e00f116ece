"""Prices and the budgets' ceiling in the configuration file: read, judged by line, and handed to the processes."""

from __future__ import annotations

import pytest

from unigate.config import BudgetSettings, PriceSettings, RateSettings
from unigate.config_file import load_config, load_table, resolve
from unigate.errors import ConfigError
from unigate.price import NANO

PROVIDERS = "providers: {openai: {api_key: sk-one}, local: {kind: ollama}}\n"


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(PROVIDERS + text, "u.yaml", {})
    return [f"{problem.line}: {problem.reason}" for problem in caught.value.problems]


def test_prices_and_the_ceiling_are_read() -> None:
    text = """prices:
  openai/gpt-4o: {input: 2.5, output: 10, cached: 1.25, long_from: 1000, long: {input: 5, output: 20}, per_call: 0.01}
  local/*: {input: 0, output: 0, context: 8192, max_output: 1024}
budgets: {unpriced_call_usd: 0.5}
"""
    config = load_config(PROVIDERS + text, "u.yaml", {})

    assert config.prices == {
        "openai/gpt-4o": PriceSettings(
            input=2.5,
            output=10,
            cached=1.25,
            long_from=1000,
            long=RateSettings(input=5, output=20),
            per_call=0.01,
        ),
        "local/*": PriceSettings(input=0, output=0, context=8192, max_output=1024),
    }
    assert config.budgets == BudgetSettings(0.5)


def test_the_processes_are_told_prices_and_ceiling() -> None:
    text = "prices: {local/*: {input: 0, output: 0.5}}\nbudgets: {unpriced_call_usd: 2}\n"
    config = load_config(PROVIDERS + text, "u.yaml", {})
    settings = resolve(config, load_table(), data="d", logs="l", log_level="info")
    local = settings.providers[1]
    price = settings.prices.find(local, "llama3.2", 0)

    assert price is not None and price.rates.output == NANO // 2
    assert set(settings.prices.sections) == {"openai"}
    assert settings.budgets.unpriced_call_usd == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "prices: {gpt-4o: {input: 1, output: 1}}",
            "2: prices: 'gpt-4o' must be 'provider/model', such as 'openai/gpt-4o' or 'local/*'",
        ),
        (
            "prices: {opnai/gpt-4o: {input: 1, output: 1}}",
            "2: prices.opnai/gpt-4o: no provider 'opnai' is configured; nearest: 'openai'",
        ),
        ("prices: {openai/x: {input: 1}}", "2: prices.openai/x: 'output' is missing"),
        (
            "prices:\n  openai/x:\n    input: -1\n    output: 1",
            "4: prices.openai/x.input: expected a number from 0 to 1000000",
        ),
        (
            "prices: {openai/x: {input: .nan, output: 1}}",
            "2: prices.openai/x.input: expected a number from 0 to 1000000",
        ),
        (
            "prices: {openai/x: {input: 1, output: 1, long_from: 5}}",
            "2: prices.openai/x.long_from: is of no use without 'long'",
        ),
        (
            "prices: {openai/x: {input: 1, output: 1, long: {input: 2, output: 2}}}",
            "2: prices.openai/x.long: is of no use without 'long_from'",
        ),
        (
            "prices: {openai/x: {input: 1, output: 1, batch: 2}}",
            "2: prices.openai/x: unknown field 'batch'; nearest: 'cached'",
        ),
        (
            "prices:\n  openai/x:\n    input: 1\n    output: 1\n    tiers:\n      flex: {input: 1}",
            "7: prices.openai/x.tiers.flex: 'output' is missing",
        ),
        (
            "prices:\n  openai/x:\n    input: 1\n    output: 1\n    tiers:\n      default: {input: 1, output: 1}",
            "7: prices.openai/x.tiers.default: must be a tier's name, such as 'flex' or 'priority', "
            "and not that of the ordinary one",
        ),
        (
            "prices:\n  openai/x:\n    input: 1\n    output: 1\n    tiers:\n"
            "      fast+us:\n        input: 1\n        output: 1\n        long_from: 5",
            "10: prices.openai/x.tiers.fast+us.long_from: is of no use without 'long'",
        ),
        ("budgets: {unpriced_call_usd: -1}", "2: budgets.unpriced_call_usd: expected a number from 0 to 1000000000"),
        ("budgets: {unpriced: 1}", "2: budgets: unknown field 'unpriced'; nearest: 'unpriced_call_usd'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, problem: str) -> None:
    assert refused(text) == [problem]


def test_a_section_that_does_not_exist_is_refused() -> None:
    text = "providers: {relay: {kind: openai, api_key: a, base_url: 'https://x/v1', prices: opnai}}"
    with pytest.raises(ConfigError) as caught:
        load_config(text, "u.yaml", {})

    assert [problem.reason for problem in caught.value.problems] == [
        "providers.relay.prices: unknown section 'opnai'; nearest: 'openai', 'zai', 'xai'"
    ]
