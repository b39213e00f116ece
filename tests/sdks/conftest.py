"""The scripted upstream, a gateway with one provider for each format, and the judges who talk to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import outcomes
import pytest
from jury import Judge
from limits import DIRECT
from vendors import Client

from gateways import CLIENT_KEY, CONFIG, UPSTREAM_KEY, Gateway, free_port, kill_group, start_gateway, wait_for_models

PROVIDERS = """
  chat: {{kind: openai, base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}", speaks: [openai.chat]}}
  responses: {{kind: openai, base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}", speaks: [openai.responses]}}
"""
NAMES = {"openai.chat": "chat", "openai.responses": "responses"}


@pytest.fixture(scope="session")
def formats(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose providers speak one format each, all of them the scripted upstream."""
    folder = tmp_path_factory.mktemp("formats")
    port = free_port()
    text = CONFIG.format(port=port, upstream=upstream).replace("keys:", PROVIDERS.format(upstream=upstream) + "keys:")
    (folder / "unigate.yaml").write_text(text)
    environment = {"UPSTREAM_KEY": UPSTREAM_KEY, "CLIENT_KEY": CLIENT_KEY, "ADMIN_KEY": "sk-ug-admin-formats-0123"}
    gateway = start_gateway(folder, port=port, environment=environment)
    try:
        wait_for_models(gateway)
        yield gateway
    finally:
        kill_group(gateway.process)


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Client], Judge]]:
    """Finds the judge for a client; each is started once."""
    sitting: dict[str, Judge] = {}

    def find(client: Client) -> Judge:
        if client.id not in sitting:
            sitting[client.id] = Judge(client, tmp_path_factory.mktemp(client.id))
        return sitting[client.id]

    yield find
    for one in sitting.values():
        one.dismiss()


@pytest.fixture
def place(request: pytest.FixtureRequest, upstream: str) -> Callable[[str], tuple[str, str, str]]:
    """Base URL, key and prefix of models' names for a target."""

    def find(target: str) -> tuple[str, str, str]:
        if target == DIRECT:
            return upstream, UPSTREAM_KEY, ""
        gateway: Gateway = request.getfixturevalue("formats")
        return gateway.url, gateway.client_key, f"{NAMES[target]}/"

    return find


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    outcomes.note(item, outcome.get_result())
