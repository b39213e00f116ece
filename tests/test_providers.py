"""The provider table: every row is well-formed, unambiguous, provable and documented."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from unigate.config import ProviderSettings
from unigate.routing.table import Row, build_provider, parse_table
from unigate.secret import Secret
from unigate.target import Quirks

ROOT = Path(__file__).parent.parent
FILE = ROOT / "src" / "unigate" / "routing" / "providers.yaml"
TEXT = FILE.read_text("utf-8")
TABLE = parse_table(yaml.safe_load(TEXT))

AUTHS = {"bearer", "x-api-key", "azure-key", "x-goog-api-key", "none"}
SPEECH = re.compile(
    r"anthropic\.messages|gemini\.generate"
    r"|openai\.(chat|completions|responses|embeddings|models|moderations|rerank"
    r"|images(\.(generations|edits|variations))?|audio(\.(speech|transcriptions|translations))?)"
)
PLACEHOLDER = re.compile(r"\{(\w+)\}")

each_row = pytest.mark.parametrize(("name", "row"), TABLE.items(), ids=TABLE.keys())


def spoken(row: Row) -> list[str]:
    return [word for part in (row, *row.also) for word in part.speaks]


def addresses(row: Row) -> list[str]:
    return [part.base_url for part in (row, *row.also) if part.base_url]


def filled(row: Row) -> ProviderSettings:
    return ProviderSettings(
        api_key=Secret("sk-test"),
        base_url="https://mine.example" if "base_url" in row.needs else None,
        account="acc" if "account" in row.needs else None,
    )


def test_at_least_forty_services_speak_openai_chat() -> None:
    assert sum("openai.chat" in spoken(row) for row in TABLE.values()) >= 40


def test_a_name_stands_for_one_row() -> None:
    names = re.findall(r"^([\w-]+):", TEXT, flags=re.MULTILINE)
    assert names == list(dict.fromkeys(names))
    assert set(names) == set(TABLE)


def test_a_variable_stands_for_one_row() -> None:
    names = [
        variable
        for row in TABLE.values()
        for variables in (row.key_variables, *row.variables.values())
        for variable in variables
    ]
    assert sorted(names) == sorted(set(names))


@each_row
def test_a_row_uses_known_words(name: str, row: Row) -> None:
    words = spoken(row)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert [word for word in words if not SPEECH.fullmatch(word)] == []
    assert len(words) == len(set(words))
    assert {row.auth, *(one.auth or row.auth for one in row.also)} <= AUTHS
    assert row.docs.startswith("https://")
    assert row.title.strip()


@each_row
def test_an_address_is_whole_and_safe(name: str, row: Row) -> None:
    scheme = "{origin}" if row.local else "https://"
    assert row.base_url or "base_url" in row.needs
    assert all(one.startswith(scheme) and not one.endswith("/") for one in addresses(row)), name
    assert row.local == row.defaults.get("origin", "").startswith("http://127.0.0.1:")


@each_row
def test_a_placeholder_can_be_filled(name: str, row: Row) -> None:
    used = set(PLACEHOLDER.findall(" ".join([*addresses(row), row.path, row.query])))
    known = {"model", "operation", *row.needs, *row.defaults}
    assert used <= known, name
    assert set(row.variables) <= {"base_url", *known}


@each_row
def test_a_row_becomes_a_provider(name: str, row: Row) -> None:
    provider = build_provider(name, filled(row), TABLE)
    chat = provider.endpoint("openai.chat")
    assert chat is not None
    assert not PLACEHOLDER.search(chat.base_url + chat.query)


@each_row
def test_a_probe_asks_a_local_server_on_its_own_port(name: str, row: Row) -> None:
    assert row.probe is None or (row.local and row.defaults["origin"].endswith(f":{row.probe.port}")), name


@each_row
def test_a_changed_field_has_its_proof_beside_it(name: str, row: Row) -> None:
    block = re.split(rf"^{name}:\n", TEXT, flags=re.MULTILINE)[1].split("\n\n", 1)[0]
    proofs = re.findall(r"^ +#.*(https://\S+)", block, flags=re.MULTILINE)
    changes = bool(row.rename or row.drop or row.set or not row.stream_usage or row.quirks != Quirks())
    assert proofs or not changes


def test_anthropic_and_gemini_answer_openai_clients() -> None:
    anthropic = build_provider("anthropic", filled(TABLE["anthropic"]), TABLE).endpoint("openai.chat")
    gemini = build_provider("gemini", filled(TABLE["gemini"]), TABLE).endpoint("openai.chat")
    assert anthropic and (anthropic.base_url, anthropic.auth) == ("https://api.anthropic.com/v1", "bearer")
    assert gemini and (gemini.base_url, gemini.auth) == (
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "bearer",
    )


def test_azure_puts_the_deployment_into_the_path() -> None:
    azure = build_provider("azure", filled(TABLE["azure"]), TABLE).endpoint("openai.chat")
    assert azure
    assert (azure.base_url, azure.path, azure.query, azure.auth) == (
        "https://mine.example",
        "/openai/deployments/{model}{operation}",
        "api-version=2024-10-21",
        "azure-key",
    )


def test_the_documentation_shows_the_table_as_it_is() -> None:
    script = ROOT / "scripts" / "provider_docs.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
