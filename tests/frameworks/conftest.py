"""The gateway that frameworks are pointed at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from formats import running_formats
from gateways import Gateway


@pytest.fixture(scope="session")
def formats(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose providers speak one format each, all of them the scripted upstream."""
    with running_formats(tmp_path_factory.mktemp("formats"), upstream) as gateway:
        yield gateway
