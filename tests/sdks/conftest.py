"""The scripted upstream, a gateway with one provider for each format, and the judges who talk to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from limits import DIRECT
from vendors import JUDGES, Client

from formats import prefix_of, running_formats
from gateways import UPSTREAM_KEY, Gateway
from harness import start_mock
from judge import Judge


@pytest.fixture(scope="session")
def formats(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose providers speak one format each, all of them the scripted upstream."""
    with running_formats(tmp_path_factory.mktemp("formats"), upstream) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Client], Judge]]:
    """Finds the judge for a client; each is started once."""
    sitting: dict[str, Judge] = {}

    def find(client: Client) -> Judge:
        if client.id not in sitting:
            sitting[client.id] = Judge(JUDGES / client.program, "sdks", tmp_path_factory.mktemp(client.id))
        return sitting[client.id]

    yield find
    for one in sitting.values():
        one.dismiss()


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The address of a scripted upstream that checks AWS's signatures."""
    with start_mock("--aws-access-key", "AKIAUNIGATETEST", "--aws-secret-key", UPSTREAM_KEY) as mock:
        yield f"http://127.0.0.1:{mock.port}"


@pytest.fixture
def place(request: pytest.FixtureRequest, upstream: str) -> Callable[[Client, str], tuple[str, str, str]]:
    """Base URL, key and prefix of models' names for a target."""

    def find(client: Client, target: str) -> tuple[str, str, str]:
        if target == DIRECT:
            signed = client.dialect == "bedrock.converse"
            return request.getfixturevalue("aws") if signed else upstream, UPSTREAM_KEY, ""
        gateway: Gateway = request.getfixturevalue("formats")
        return gateway.url, gateway.client_key, prefix_of(target)

    return find
