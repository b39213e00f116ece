"""Names and targets: an unknown name is answered with the nearest ones, and asking again costs nothing."""

from __future__ import annotations

import time
from random import Random

import pytest

from harness import provider
from unigate.dialects.table import DIALECTS
from unigate.errors import Refusal
from unigate.routing.catalog import Catalog, Route


def test_asking_again_for_an_unknown_name_costs_nothing() -> None:
    names = tuple(f"vendor-{number % 60}/model-{number}-instruct" for number in range(2000))
    catalog = Catalog({"a": provider("a", 1), "b": provider("b", 1)}, {}, {"a": names})
    asked = "vendor-3/model-77-instruct-preview"
    began = time.thread_time()
    told = catalog.unknown(asked).told
    first = time.thread_time() - began
    assert [catalog.unknown(asked).told for _ in range(200)] == [told] * 200
    assert time.thread_time() - began < first * 10
    assert told.message.startswith(f"Model '{asked}' is not configured; nearest: 'vendor-")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("secret", (503, "provider_unusable")),
        ("private/m", (503, "provider_unusable")),
        ("its-listed-model", (404, "model_not_found")),
    ],
)
def test_what_was_meant_for_a_provider_that_cannot_be_used_goes_to_no_other(name: str, told: tuple[int, str]) -> None:
    routes = {"secret": Route("secret", "ordered", ())}
    catalog = Catalog({"lone": provider("lone", 1)}, routes, {}, broken=("private",))

    with pytest.raises(Refusal) as refused:
        catalog.ways(name, DIALECTS["openai.chat"], has_tools=False, random=Random())

    assert (refused.value.told.status, refused.value.told.code) == told
    assert list(catalog.models()) == []
    assert catalog.ways("lone/m", DIALECTS["openai.chat"], has_tools=False, random=Random())[0].provider == "lone"
