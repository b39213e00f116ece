"""Who asks for the models learns the limits of the key too, by the names that its library reads."""

from __future__ import annotations

import pytest

from admission.test_limits_served import MINUTE, SPENDER, Place, place
from harness import request

__all__ = ["place"]

USUAL = "x-ratelimit-limit-requests"
THEIRS = "anthropic-ratelimit-requests-limit"


def told(place: Place, path: str, key: str = MINUTE, headers: str = "") -> dict[str, str]:
    """Which limits the answer tells."""
    with place.wire() as wire:
        answer = wire.send(request(path=path, method="GET", key=key, headers=headers)).answer()
    return {name: answer.headers[name] for name in (USUAL, THEIRS) if name in answer.headers}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/mock/m", "/v1beta/models", "/api/tags"])
def test_lists_of_models_tell_the_limits_of_the_key(place: Place, path: str) -> None:
    assert told(place, path) == {USUAL: "3"}
    assert told(place, path, SPENDER) == {}


def test_a_library_of_anthropics_reads_its_own_names(place: Place) -> None:
    assert told(place, "/v1/models", headers="anthropic-version: 2023-06-01\r\n") == {THEIRS: "3"}
