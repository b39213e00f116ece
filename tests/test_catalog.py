"""Names and targets: an unknown name is answered with the nearest ones, and asking again costs nothing."""

from __future__ import annotations

import time

from harness import provider
from unigate.routing.catalog import Catalog


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
