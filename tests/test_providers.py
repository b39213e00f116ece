"""The provider table: every row is well-formed, unambiguous, provable and documented."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import yaml

from unigate.config import ProviderSettings, ServerSettings
from unigate.routing.table import CREDENTIALS, SCHEMES, Row, TableError, build_provider, parse_table, schemes_of
from unigate.secret import Secret
from unigate.snapshot import Settings, conceal, reveal
from unigate.target import Provider, Quirks, Signing
from unigate.upstream.auth import AUTH, SIGNERS
from unigate.upstream.models import LISTS, list_of

ROOT = Path(__file__).parent.parent
FILE = ROOT / "src" / "unigate" / "routing" / "providers.yaml"
TEXT = FILE.read_text("utf-8")
TABLE = parse_table(yaml.safe_load(TEXT))

SPEECH = re.compile(
    r"anthropic\.(messages(\.stream)?|count_tokens|models)|bedrock\.(converse|models)|gemini\.(generate|count_tokens|embed|batch_embed|models)"
    r"|dashscope\.rerank|cohere\.(chat|embed|rerank|models)|ollama\.(chat|embed)|coze\.chat|dify\.chat"
    r"|openai\.(chat|completions|responses|embeddings|models|moderations|rerank"
    r"|images(\.(generations|edits|variations))?|audio(\.(speech|transcriptions|translations))?)"
)
PLACEHOLDER = re.compile(r"\{(\w+)\}")

each_row = pytest.mark.parametrize(("name", "row"), TABLE.items(), ids=TABLE.keys())


def spoken(row: Row) -> list[str]:
    return [word for part in (row, *row.also) for word in part.speaks]


def addresses(row: Row) -> list[str]:
    return [part.base_url for part in (row, *row.also) if part.base_url]


def templates(row: Row) -> str:
    places = (text for part in (row, *row.also) for text in (part.path, part.query))
    return " ".join([*addresses(row), *places, *row.defaults.values()])


def filled(row: Row) -> ProviderSettings:
    """What an operator gives for this row, with the last of its ways to give a credential."""
    given: dict[str, str | Secret] = dict.fromkeys(row.needs, "given")
    if "base_url" in row.needs:
        given["base_url"] = "https://mine.example"
    for name in SCHEMES[schemes_of(row.auth)[-1]]:
        given[name] = "AKID" if name in ("access_key_id", "credentials_file") else Secret("sk-test")
    return ProviderSettings(**given)  # type: ignore[arg-type]


def built(name: str, **given: str | Secret) -> Provider:
    settings = ProviderSettings(**given) if given else filled(TABLE[name])  # type: ignore[arg-type]
    return build_provider(name, settings, TABLE)


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
    assert {scheme for part in (row, *row.also) for scheme in schemes_of(part.auth or row.auth)} <= set(SCHEMES)
    assert [scheme for scheme in SCHEMES if (scheme in AUTH) == (scheme in SIGNERS)] == []
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
    used = set(PLACEHOLDER.findall(templates(row)))
    known = {"model", "operation", *row.needs, *row.defaults}
    assert used <= known, name
    assert set(row.variables) <= {"base_url", *known, *CREDENTIALS}
    assert set(row.follows) <= known


@each_row
def test_a_row_becomes_a_provider(name: str, row: Row) -> None:
    provider = build_provider(name, filled(row), TABLE)
    assert [word for endpoint in provider.endpoints for word in endpoint.speaks] == spoken(row)
    filled_in = " ".join(f"{one.base_url} {one.path} {one.query}" for one in provider.endpoints)
    assert set(PLACEHOLDER.findall(filled_in)) <= {"model", "operation"}
    assert provider.key or not set(CREDENTIALS) & set(SCHEMES[schemes_of(row.auth)[-1]]) - {"credentials_file"}


@each_row
def test_a_probe_asks_a_local_server_on_its_own_port(name: str, row: Row) -> None:
    assert row.probe is None or (row.local and row.defaults["origin"].endswith(f":{row.probe.port}")), name


@each_row
def test_a_changed_field_has_its_proof_beside_it(name: str, row: Row) -> None:
    block = re.split(rf"^{name}:\n", TEXT, flags=re.MULTILINE)[1].split("\n\n", 1)[0]
    proofs = re.findall(r"^ +#.*(https://\S+)", block, flags=re.MULTILINE)
    changes = bool(row.rename or row.drop or row.set or not row.stream_usage or row.quirks != Quirks())
    assert proofs or not changes


@each_row
def test_a_list_of_models_has_a_known_place(name: str, row: Row) -> None:
    provider = build_provider(name, filled(row), TABLE)
    assert (list_of(provider) is not None) == any(word.endswith(".models") for word in spoken(row))
    assert [word for word in spoken(row) if word.endswith(".models") and word not in LISTS] == []


def test_anthropic_and_gemini_answer_openai_clients() -> None:
    anthropic = built("anthropic").endpoint("openai.chat")
    gemini = built("gemini").endpoint("openai.chat")
    assert anthropic and (anthropic.base_url, anthropic.auth) == ("https://api.anthropic.com/v1", "bearer")
    assert gemini and (gemini.base_url, gemini.auth) == (
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "bearer",
    )


def test_a_service_is_asked_in_the_format_it_likes_best() -> None:
    first = {name: built(name).endpoints[0].speaks[0] for name in ("openai", "deepseek", "ollama", "gemini", "cohere")}
    assert first == {
        "openai": "openai.chat",
        "deepseek": "openai.chat",
        "ollama": "openai.chat",
        "gemini": "gemini.generate",
        "cohere": "cohere.chat",
    }


@pytest.mark.parametrize("name", ["deepseek", "moonshot", "zhipu", "minimax", "qwen", "ollama", "openrouter"])
def test_services_that_speak_anthropics_format_too_are_asked_in_it(name: str) -> None:
    place = built(name).endpoint("anthropic.messages")
    assert place and place.base_url.endswith("/v1")
    assert place.headers == {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    ("name", "thinking", "others"),
    [
        (
            "openai",
            ["o3", "o4-mini", "gpt-5", "gpt-5.2-pro", "gpt-oss-120b"],
            ["gpt-4o", "gpt-4.1", "gpt-5-chat-latest"],
        ),
        ("azure", ["o3", "team-o3-mini", "gpt5", "my-gpt-5-mini"], ["gpt-4o", "demo2", "gpt-4o3"]),
        ("groq", ["openai/gpt-oss-20b"], ["qwen/qwen3-32b", "llama-3.1-8b-instant"]),
    ],
)
def test_only_models_that_reason_are_told_how_hard(name: str, thinking: list[str], others: list[str]) -> None:
    pattern = re.compile(TABLE[name].quirks.effort_models)
    assert [model for model in (*thinking, *others) if pattern.search(model)] == thinking


@each_row
def test_a_pattern_is_a_regular_expression(name: str, row: Row) -> None:
    assert re.compile(row.quirks.effort_models) and re.compile(row.quirks.tool_id_pattern), name


# --- Amazon


def test_bedrock_takes_an_access_key_or_an_api_key() -> None:
    signed = built("bedrock", region="eu-west-1", access_key_id="AKID", secret_access_key=Secret("s"))
    assert (signed.endpoints[0].base_url, signed.endpoints[0].auth, signed.key) == (
        "https://bedrock-runtime.eu-west-1.amazonaws.com",
        "aws-sigv4",
        Secret("s"),
    )
    assert signed.signing == Signing(region="eu-west-1", access_key_id="AKID")
    assert {one.auth for one in signed.endpoints} == {"aws-sigv4"}
    keyed = built("bedrock", region="eu-west-1", api_key=Secret("k"))
    assert ({one.auth for one in keyed.endpoints}, keyed.key) == ({"bearer"}, Secret("k"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"region": "a"}, "provider 'bedrock' needs api_key, or access_key_id and secret_access_key"),
        (
            {"region": "a", "access_key_id": "b"},
            "provider 'bedrock' needs api_key, or access_key_id and secret_access_key",
        ),
        ({"api_key": Secret("k")}, "provider 'bedrock' needs region"),
        (
            {"region": "a", "api_key": Secret("k"), "access_key_id": "b"},
            "provider 'bedrock' gives access_key_id, which is of no use here; remove it",
        ),
        (
            {"region": "a", "api_key": Secret("k"), "project": "b"},
            "provider 'bedrock' gives project, which 'bedrock' has no use for; remove it",
        ),
    ],
)
def test_what_bedrock_lacks_or_cannot_use_is_named(given: dict[str, str | Secret], message: str) -> None:
    with pytest.raises(TableError) as caught:
        built("bedrock", **given)
    assert str(caught.value) == message


def test_a_signing_provider_travels_to_a_door_whole_and_prints_no_secret() -> None:
    given = {"access_key_id": "AKID", "secret_access_key": Secret("hush-s"), "session_token": Secret("hush-t")}
    bedrock = built("bedrock", region="eu-west-1", **given)
    settings = Settings(server=ServerSettings(), providers=(bedrock,))
    sent = msgspec.json.encode(settings, enc_hook=reveal)
    assert msgspec.json.decode(sent, type=Settings, dec_hook=conceal) == settings
    assert bedrock.signing.session_token == Secret("hush-t")
    assert "hush" not in repr(settings)


# --- Google


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ({}, "https://aiplatform.googleapis.com/v1"),
        ({"location": "global"}, "https://aiplatform.googleapis.com/v1"),
        ({"location": "europe-west1"}, "https://europe-west1-aiplatform.googleapis.com/v1"),
    ],
)
def test_vertex_has_a_host_for_each_location(location: dict[str, str], host: str) -> None:
    vertex = built("vertex", project="p", access_token=Secret("t"), **location)
    place = location.get("location", "global")
    assert (vertex.endpoints[0].base_url, vertex.endpoints[0].path) == (
        host,
        f"/projects/p/locations/{place}/publishers/google{{operation}}",
    )


def test_vertex_takes_a_file_or_a_token() -> None:
    by_file = built("vertex", project="p", credentials_file="sa.json")
    by_token = built("vertex", project="p", access_token=Secret("t"))
    assert ({one.auth for one in by_file.endpoints}, by_file.signing.credentials_file) == ({"google"}, "sa.json")
    assert ({one.auth for one in by_token.endpoints}, by_token.key) == ({"access-token"}, Secret("t"))


def test_claude_on_vertex_is_named_by_the_path_alone() -> None:
    provider = built("vertex-anthropic", project="p", location="us-east5", access_token=Secret("t"))
    base = "/projects/p/locations/us-east5/publishers/anthropic/models"
    words = ("anthropic.messages", "anthropic.messages.stream", "anthropic.count_tokens")
    places = [provider.endpoint(word) for word in words]
    assert [(one.path, one.model_in_body) for one in places if one] == [
        (f"{base}/{{model}}:rawPredict", False),
        (f"{base}/{{model}}:streamRawPredict", False),
        (f"{base}/count-tokens:rawPredict", True),
    ]
    assert {name: bytes(value) for name, value in provider.set.items()} == {"anthropic_version": b'"vertex-2023-10-16"'}


def test_a_choice_of_formats_keeps_its_order_and_the_address_for_streams() -> None:
    settings = ProviderSettings(project="p", access_token=Secret("t"), speaks=("anthropic.messages",))
    chosen = build_provider("vertex-anthropic", settings, TABLE)
    assert [one.speaks for one in chosen.endpoints] == [("anthropic.messages",), ("anthropic.messages.stream",)]
    settings = ProviderSettings(api_key=Secret("k"), speaks=("anthropic.messages", "openai.chat"))
    chosen = build_provider("deepseek", settings, TABLE)
    assert [one.speaks for one in chosen.endpoints] == [("anthropic.messages",), ("openai.chat",)]


def test_an_address_for_tests_or_a_private_network_keeps_the_path() -> None:
    settings = ProviderSettings(project="p", access_token=Secret("t"), base_url="http://127.0.0.1:9/v1")
    place = build_provider("vertex", settings, TABLE).endpoints[0]
    assert (place.base_url, place.path) == (
        "http://127.0.0.1:9/v1",
        "/projects/p/locations/global/publishers/google{operation}",
    )


def test_azure_puts_the_deployment_into_the_path() -> None:
    azure = built("azure").endpoint("openai.chat")
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
