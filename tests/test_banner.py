"""What a start prints: a line to paste that fits what is configured."""

from __future__ import annotations

import re
import shlex
import socket
from pathlib import Path

import pytest

from unigate.banner import Announcement, announce
from unigate.config import Config
from unigate.config_file import load_table, read_config, resolve
from unigate.serve import address_of, example_model
from unigate.texts import Texts

ROUTE = "models: {our-name: openai/gpt-4o}\n"
ONE = "providers:\n  openai: {api_key: k1234567}\n"
TWO = ONE + "  deepseek: {api_key: k1234567}\n"


def config_of(folder: Path, text: str) -> Config:
    path = folder / "unigate.yaml"
    path.write_text(text)
    return read_config(path, {})


def printed(folder: Path, text: str) -> str:
    """The model's name in the line to paste."""
    config = config_of(folder, text)
    settings = resolve(config, load_table(), data="data", logs="logs", log_level="info")
    model = example_model(config, settings)
    facts = Announcement(
        settings=settings, address="http://localhost:8000", model=model, demo_model=None, keys=None, keys_file=None
    )
    command = announce(facts, Texts({})).partition("curl")[2].replace("\\\n", " ")
    (body,) = [word for word in shlex.split("curl" + command) if word.startswith("{")]
    found = re.match(r'\{"model": "([^"]+)"', body)
    assert found is not None
    return found.group(1)


@pytest.mark.parametrize(
    ("text", "model"),
    [
        (ONE + ROUTE, "our-name"),
        (ONE, "gpt-4o-mini"),
        (TWO, "openai/gpt-4o-mini"),
    ],
)
def test_the_printed_line_names_a_model_that_is_there(tmp_path: Path, text: str, model: str) -> None:
    assert printed(tmp_path, text) == model


@pytest.mark.parametrize(
    ("family", "host", "address"),
    [
        (socket.AF_INET, "127.0.0.1", "http://localhost:"),
        (socket.AF_INET, "0.0.0.0", "http://localhost:"),
        (socket.AF_INET6, "::", "http://localhost:"),
        (socket.AF_INET6, "::1", "http://[::1]:"),
    ],
)
def test_the_printed_address_leads_to_the_gateway(family: int, host: str, address: str) -> None:
    with socket.socket(family) as listener:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        assert address_of(listener) == f"{address}{listener.getsockname()[1]}"
