"""The gateway that frameworks are pointed at, and the programs that use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from formats import running_formats
from gateways import Gateway
from judge import Judge

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="session")
def formats(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose providers speak one format each, all of them the scripted upstream."""
    with running_formats(tmp_path_factory.mktemp("formats"), upstream) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def framework(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Judge]]:
    """Finds a running program by its name; each is started once."""
    running: dict[str, Judge] = {}

    def find(program: str) -> Judge:
        if program not in running:
            running[program] = Judge(PROGRAMS / program, "frameworks", tmp_path_factory.mktemp(program))
        return running[program]

    yield find
    for one in running.values():
        one.dismiss()
