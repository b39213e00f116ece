"""What tests of dialects share."""

from __future__ import annotations

import pytest

from recordings.replay import traffic_folder


@pytest.fixture(scope="session")
def recordings_there(request: pytest.FixtureRequest) -> None:
    """That there are recordings; that there are none is a failure, unless it was asked for."""
    there = traffic_folder().is_dir()
    if not there and request.config.getoption("--no-recordings"):
        pytest.skip("there are no recordings, as --no-recordings allows")
    assert there, f"No recorded exchange was found in {traffic_folder()}; name their folder in UNIGATE_TRAFFIC."
