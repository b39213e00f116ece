"""The recordings, for tests that need them."""

from __future__ import annotations

import pytest

from recordings.replay import Recording, load, traffic_folder


@pytest.fixture(scope="session")
def recorded(request: pytest.FixtureRequest) -> list[Recording]:
    """All recordings; that there are none is a failure, unless it was asked for."""
    found = [*load()]
    if not found and request.config.getoption("--no-recordings", default=False):
        pytest.skip("there are no recordings, as --no-recordings allows")
    assert found, (
        f"No recorded exchange was found in {traffic_folder()}. Name their folder in UNIGATE_TRAFFIC, "
        "or say --no-recordings to do without them."
    )
    return found
