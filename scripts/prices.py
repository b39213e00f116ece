"""Writes src/unigate/accounting/prices.json out of two maintained tables of prices, named in docs/decisions/prices.md.

    python -m venv /tmp/prices && /tmp/prices/bin/pip install genai-prices
    pip download --no-deps --dest /tmp/prices litellm
    /tmp/prices/bin/python scripts/prices.py /tmp/prices/litellm-*.whl

Prices, their first days and their tiers are genai-prices'. From litellm come the names that models really have, the
tokens they take and give at most, and the prices at services that the other table leaves out.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from importlib.metadata import version
from pathlib import Path

from genai_prices import data, types

ROOT = Path(__file__).parent.parent
INTO = ROOT / "src" / "unigate" / "accounting" / "prices.json"
FILE = "litellm/model_prices_and_context_window_backup.json"
NANO = Decimal(10**9)

Json = dict[str, object]
Row = Mapping[str, object]

# Our section: genai-prices' provider, the other's providers, the prefixes their names have there.
SECTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "openai": ("openai", ("openai", "text-completion-openai")),
    "azure": ("azure", ("azure", "azure_ai", "azure_text")),
    "anthropic": ("anthropic", ("anthropic",)),
    "bedrock": ("aws", ("bedrock", "bedrock_converse")),
    "google": ("google", ("gemini", "vertex_ai-language-models", "vertex_ai", "vertex_ai-embedding-models")),
    "vertex-anthropic": ("anthropic", ("vertex_ai-anthropic_models",)),
    "cohere": ("cohere", ("cohere", "cohere_chat")),
    "deepseek": ("deepseek", ("deepseek",)),
    "mistral": ("mistral", ("mistral", "codestral")),
    "xai": ("x-ai", ("xai",)),
    "groq": ("groq", ("groq",)),
    "cerebras": ("cerebras", ("cerebras",)),
    "fireworks": ("fireworks", ("fireworks_ai", "fireworks_ai-embedding-models")),
    "together": ("together", ("together_ai",)),
    "openrouter": ("openrouter", ("openrouter",)),
    "perplexity": ("perplexity", ("perplexity",)),
    "moonshot": ("moonshotai", ("moonshot",)),
    "minimax": ("minimax", ("minimax",)),
    "zai": ("zai", ("zai",)),
    "zhipu": ("zhipuai", ()),
    "novita": ("novita", ("novita",)),
    "ovhcloud": ("ovhcloud", ("ovhcloud",)),
    "baseten": ("baseten", ("baseten",)),
    "cloudflare": ("cloudflare", ("cloudflare",)),
}
# Services that only the other table has.
OTHERS = {
    "qwen-intl": "dashscope",
    "deepinfra": "deepinfra",
    "nebius": "nebius",
    "sambanova": "sambanova",
    "scaleway": "scaleway",
    "hyperbolic": "hyperbolic",
    "friendli": "friendliai",
    "xiaomi": "xiaomi_mimo",
    "inception": "inception",
    "ai21": "ai21",
    "aihubmix": "aihubmix",
}
THEN = {"azure": ("openai",), "vertex-anthropic": ("anthropic",)}
_DATED = (("-latest$", ""), (r"[-@]20\d\d-?[01]\d-?[0-3]\d$", ""))
REWRITES: dict[str, tuple[tuple[str, str], ...]] = {
    # An inference profile's region, then the model itself:
    # https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles.html
    "bedrock": (
        ("^arn:aws[a-z-]*:bedrock:[^/]*/", ""),
        ("^(us|eu|apac|au|jp|ca|in|sa|me|af|us-gov)[.]", "regional."),
        ("^(?!(regional|global)[.])", "regional."),
        ("^regional[.]", ""),
    ),
    "google": (("^(publishers/[^/]+/)?models/", ""), *_DATED),
    "vertex-anthropic": ((r"@(20\d{6})$", r"-\1"), ("@default$", ""), *_DATED),
    "openrouter": (),
}
# Models that search the web for each answer, which costs a fee for each.
ALWAYS_SEARCHES = re.compile(r"search-(preview|api)|^(perplexity/)?sonar")
TOKENS = {
    "input": ("input_mtok", "input_image_mtok", "input_video_mtok"),
    "output": ("output_mtok", "output_image_mtok", "output_video_mtok"),
    "cached": ("cache_read_mtok",),
    "cache_write": ("cache_write_mtok",),
    "cache_write_hour": ("cache_write_1h_mtok",),
    "audio_input": ("input_audio_mtok",),
    "audio_output": ("output_audio_mtok",),
    "reasoning": ("output_reasoning_mtok",),
}
# What the other table calls the same, before the word for a long input and the one for a tier of service.
THEIR_TOKENS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "audio_input": "input_cost_per_audio_token",
    "audio_output": "output_cost_per_audio_token",
    "reasoning": "output_cost_per_reasoning_token",
}
# Its words for tiers, by their names. Each service whose prices have them says in its answers which tier it was.
THEIR_TIERS = {"flex": "flex", "priority": "priority", "ultrafast": "ultrafast", "batch": "batches"}
TIERED = ("openai", "azure", "google", "bedrock")
FEES = ("web_searches_kcount", "storage_searches_kcount", "requests_kcount")
NO_MATTER = ("cache_audio_read_mtok", "cache_image_read_mtok")


def nano(dollars: Decimal) -> int:
    return int((dollars * NANO).to_integral_value(ROUND_CEILING))


# --- genai-prices


def rates_of(price: types.ModelPrice, level: int) -> Json | None:
    """The rates where `level` thresholds are passed; where pictures cost more than words, all costs what they do."""
    rates: Json = {}
    for name, fields in TOKENS.items():
        found = [at(value, level) for field in fields if (value := getattr(price, field, None)) is not None]
        if found:
            rates[name] = nano(max(found))
    if "input" not in rates and "output" not in rates:
        return None
    return {"input": 0, "output": 0} | rates


def at(price: Decimal | types.TieredPrices, level: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    return price.tiers[min(level, len(price.tiers)) - 1].price if level else price.base


def price_of(price: types.ModelPrice, model: str) -> Json | None:
    """One price; None if it is reckoned by anything but tokens and calls, or has more than one threshold."""
    given = {name: value for name, value in vars(price).items() if value is not None}
    known = {field for fields in TOKENS.values() for field in fields} | {*FEES, *NO_MATTER}
    starts = {tier.start for value in given.values() if isinstance(value, types.TieredPrices) for tier in value.tiers}
    rates = rates_of(price, 0)
    if rates is None or not given.keys() <= known or len(starts) > 1:
        return None
    told: Json = {"rates": rates}
    for start in starts:
        told |= {"long_from": start + 1, "long": rates_of(price, 1)}
    fee = given.get("requests_kcount")
    if fee is None and ALWAYS_SEARCHES.search(model):
        fee = given.get("web_searches_kcount")
        if fee is None:
            return None
    return told | ({"per_call": nano(fee / 1000)} if isinstance(fee, Decimal) else {})


def dearest(prices: list[Json]) -> Json:
    """What a model costs whose price depends on the hour: the most."""
    rates = [one["rates"] for one in prices]
    names = {name for one in rates for name in one}
    return prices[-1] | {"rates": {name: max(one.get(name, 0) for one in rates) for name in names}}


def dated(model: types.ModelInfo) -> list[tuple[str, Json]]:
    """The prices of a model by their first day."""
    if not isinstance(model.prices, list):
        told = price_of(model.prices, model.id)
        return [("", told)] if told else []
    days = [one.constraint.start_date for one in model.prices if isinstance(one.constraint, types.StartDateConstraint)]
    found: list[tuple[str, Json]] = []
    for day in (None, *sorted(set(days))):
        active: list[types.ModelPrice] = []
        for one in model.prices:
            if isinstance(one.constraint, types.TimeOfDateConstraint):
                active.append(one.prices)
            elif one.constraint is None or (day is not None and one.constraint.start_date <= day):
                active = [one.prices]
        prices = [price_of(one, model.id) for one in active]
        if prices and all(prices):
            found.append((day.isoformat() if day else "", dearest([one for one in prices if one])))
    return found


def exact_names(clause: object) -> Iterator[str]:
    match clause:
        case types.ClauseEquals(equals):
            yield equals
        case types.ClauseOr(clauses):
            for one in clauses:
                yield from exact_names(one)
        case _:
            pass


# --- the other table


def bare(name: str, providers: Iterable[str]) -> str:
    """A name without the word for its provider before it."""
    prefixes = (*providers, "bedrock", "vertex_ai", "azure_ai", "gemini", "cohere", "mistral", "xai")
    first, slash, rest = name.partition("/")
    return rest if slash and first in prefixes else name


def others(rows: Mapping[str, Row], providers: tuple[str, ...]) -> dict[str, Row]:
    return {bare(name, providers): row for name, row in rows.items() if row.get("litellm_provider") in providers}


def limits(row: Row) -> tuple[int, int]:
    def number(name: str) -> int:
        value = row.get(name)
        return int(value) if isinstance(value, int | float) and value > 0 else 0

    return number("max_input_tokens"), number("max_output_tokens")


def their_price(row: Row) -> Json | None:
    """A price of theirs, if tokens are all that it is reckoned by."""
    names = {
        "input_cost_per_token": "input",
        "output_cost_per_token": "output",
        "cache_read_input_token_cost": "cached",
        "cache_creation_input_token_cost": "cache_write",
        "output_cost_per_reasoning_token": "reasoning",
    }
    ignored = re.compile(r"_(batches|flex|priority)$")
    costs = {name: value for name, value in row.items() if "cost" in name and not ignored.search(name)}
    if not costs.keys() <= names.keys() or not costs.get("input_cost_per_token"):
        return None
    rates = {names[name]: nano(Decimal(repr(value)) * 10**6) for name, value in costs.items()}
    return {"rates": {"input": 0, "output": 0} | rates}


def their_rates(row: Row, base: Json, long: str, tier: str) -> Json | None:
    """The rates of a tier; None unless each that the ordinary price has is told."""
    names = {name: f"{THEIR_TOKENS.get(name, name)}{long}_{THEIR_TIERS[tier]}" for name in base}
    if "reasoning" in base and base["reasoning"] == base["output"]:
        names["reasoning"] = names["output"]  # where it is not told apart
    if not all(isinstance(row.get(name), int | float) for name in names.values()):
        return None
    return {name: nano(Decimal(repr(row[theirs])) * 10**6) for name, theirs in names.items()}


def their_tier(row: Row, price: Json, tier: str) -> Json | None:
    """A tier's price, if the row's ordinary one is this one."""
    rates = their_rates(row, price["rates"], "", tier)
    plain = {name: row.get(THEIR_TOKENS[name]) for name in ("input", "output")}
    if rates is None or any(nano(Decimal(repr(plain[name] or 0)) * 10**6) != price["rates"][name] for name in plain):
        return None
    if "long" not in price:
        return {"rates": rates}
    long = their_rates(row, price["long"], f"_above_{(price['long_from'] - 1) // 1000}k_tokens", tier)
    if long is None and tier != "priority":
        return None
    if long is None:
        # Long inputs are not sold in it: https://openai.com/api-priority-processing/. The dearer counts, should one be.
        long = {name: max(rates[name], cost) for name, cost in price["long"].items()}
    return {"rates": rates, "long_from": price["long_from"], "long": long}


def multiplied(price: Json, factor: Decimal) -> Json:
    def all_of(rates: Json) -> Json:
        return {name: int((cost * factor).to_integral_value(ROUND_CEILING)) for name, cost in rates.items()}

    return price | {name: all_of(price[name]) for name in ("rates", "long") if name in price}


def anthropic_tiers(row: Row, price: Json) -> Json:
    """Anthropic's multiples of all rates, for speed and for a region, which multiply each other.

    https://platform.claude.com/docs/en/build-with-claude/fast-mode#pricing
    """
    told = row.get("provider_specific_entry")
    factors = {name: Decimal(str(told[name])) for name in ("fast", "us") if isinstance(told, dict) and name in told}
    if len(factors) == 2:
        factors["fast+us"] = factors["fast"] * factors["us"]
    return {name: multiplied(price, factor) for name, factor in factors.items()}


def with_tiers(section: str, price: Json, row: Row) -> Json:
    """The price of one name with what its row says of other tiers of service."""
    tiers: Json = {}
    if section == "anthropic":
        tiers = anthropic_tiers(row, price)
    elif section in TIERED:
        found = {tier: their_tier(row, price, tier) for tier in THEIR_TIERS}
        tiers = {tier: one for tier, one in found.items() if one is not None}
    return price | ({"tiers": tiers} if tiers else {})


def agrees(row: Row, price: Json) -> bool:
    theirs, rates = their_price(row), price["rates"]
    if theirs is None:
        return False
    return all(theirs["rates"][name] == rates[name] for name in ("input", "output"))


# --- sections


class Sheet:
    """One section while it is written."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.prices: list[list[tuple[str, Json]]] = []
        self._known: dict[str, int] = {}

    def add(self, names: Iterable[str], prices: list[tuple[str, Json]], context: int, output: int) -> None:
        told = [(day, price | limited(context, output)) for day, price in prices]
        key = json.dumps(told, sort_keys=True)
        if key not in self._known:
            self._known[key] = len(self.prices)
            self.prices.append(told)
        for name in names:
            self.names.setdefault(name, self._known[key])

    def told(self, name: str) -> Json:
        rewrites = REWRITES.get(name, _DATED)
        told: Json = {"names": dict(sorted(self.names.items())), "prices": self.prices}
        return told | {"rewrites": rewrites} | ({"then": THEN[name]} if name in THEN else {})


def limited(context: int, output: int) -> Json:
    return ({"context": context} if context else {}) | ({"most_output": output} if output else {})


def section(word: str, provider: types.Provider, rows: dict[str, Row]) -> Sheet:
    """A provider's models under the names that mean them beyond doubt."""
    sheet = Sheet()
    found: dict[str, list[str]] = {}
    for name in rows:
        model = next((one for one in provider.models if one.is_match(name)), None)
        if model is not None:
            found.setdefault(model.id, []).append(name)
    for model in provider.models:
        prices = dated(model)
        if not prices:
            continue
        sure = {model.id, *exact_names(model.match)}
        likely = {name for name in found.get(model.id, ()) if agrees(rows[name], prices[-1][1])}
        names = sorted(sure | likely)
        told = [limits(rows[name]) for name in names if name in rows]
        context = max([model.context_window or 0, *(one for one, _ in told)])
        most = max([0, *(one for _, one in told)])
        for name in names:
            sheet.add(
                [name], [(day, with_tiers(word, price, rows.get(name, {}))) for day, price in prices], context, most
            )
    return sheet


def other_section(rows: dict[str, Row]) -> Sheet:
    sheet = Sheet()
    for name, row in sorted(rows.items()):
        price = their_price(row)
        if price is not None:
            sheet.add([name], [("", price)], *limits(row))
    return sheet


def main(wheel: str) -> None:
    """Writes the file."""
    with zipfile.ZipFile(wheel) as opened:
        rows: dict[str, Row] = json.loads(opened.read(FILE))
    providers = {one.id: one for one in data.providers}
    sheets = {name: section(name, providers[ours], others(rows, theirs)) for name, (ours, theirs) in SECTIONS.items()}
    sheets |= {name: other_section(others(rows, (theirs,))) for name, theirs in OTHERS.items()}
    release = re.sub(r"^litellm-([^-]+)-.*$", r"\1", Path(wheel).name)
    told = {
        "version": f"genai-prices-{version('genai-prices')}",
        "sources": [
            f"genai-prices {version('genai-prices')} (MIT), https://github.com/pydantic/genai-prices",
            f"litellm {release} (MIT), https://github.com/BerriAI/litellm",
        ],
        "sections": {name: sheet.told(name) for name, sheet in sorted(sheets.items())},
    }
    text = json.dumps(told, separators=(",", ":"), ensure_ascii=False)
    INTO.write_text(re.sub(r'("[a-z0-9-]+":\{"names":|"prices":|"rewrites":|\],\[\[)', r"\n\1", text) + "\n", "utf-8")
    for name, sheet in sorted(sheets.items()):
        print(f"{name:18} {len(sheet.names):5} names {len(sheet.prices):5} prices")


if __name__ == "__main__":
    main(sys.argv[1])
