"""Every pair of a client and a provider of vectors or rankings, and their errors, through a running gateway."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from gateways import CLIENT_KEY, UPSTREAM_KEY, Gateway, free_port, kill_group, start_gateway
from judge import Judge
from unigate.mock.endpoints import vector

CONFIG = """
server: {{port: {port}, drain: 2}}
providers:
  openai: {{base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}", speaks: [openai.embeddings, openai.rerank]}}
  gemini: {{base_url: "{upstream}/v1beta", api_key: "${{UPSTREAM_KEY}}", speaks: [gemini.batch_embed]}}
  cohere: {{base_url: "{upstream}/v2", api_key: "${{UPSTREAM_KEY}}", speaks: [cohere.embed, cohere.rerank]}}
  ollama: {{base_url: "{upstream}", api_key: "${{UPSTREAM_KEY}}", speaks: [ollama.embed]}}
keys:
  - {{name: judge, key: "${{CLIENT_KEY}}"}}
"""
LIBRARIES = Path(__file__).parents[1] / "sdks" / "judges" / "vectors.py"
TEXTS = ["a first text", "ein zweiter Text, 第三"]
PROVIDERS = ("openai", "gemini", "cohere", "ollama")
# Each client's path, request, and where the vectors stand in its answer; the last two ask for one text.
WIRE = {
    "openai.embeddings": ("/v1/embeddings", lambda m: {"model": m, "input": TEXTS, "dimensions": 4}),
    "gemini.batch_embed": (
        "/v1beta/models/{}:batchEmbedContents",
        lambda m: {
            "requests": [
                {"model": f"models/{m}", "content": {"parts": [{"text": text}]}, "outputDimensionality": 4}
                for text in TEXTS
            ]
        },
    ),
    "ollama.embed": ("/api/embed", lambda m: {"model": m, "input": TEXTS, "dimensions": 4}),
    "gemini.embed": (
        "/v1beta/models/{}:embedContent",
        lambda m: {"content": {"parts": [{"text": TEXTS[0]}]}, "outputDimensionality": 4},
    ),
    "ollama.embeddings": ("/api/embeddings", lambda m: {"model": m, "prompt": TEXTS[0]}),
}


@pytest.fixture(scope="module")
def families(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose providers speak one format of each family, all of them the scripted upstream."""
    folder = tmp_path_factory.mktemp("families")
    port = free_port()
    (folder / "unigate.yaml").write_text(CONFIG.format(port=port, upstream=upstream))
    gateway = start_gateway(folder, port=port, environment={"UPSTREAM_KEY": UPSTREAM_KEY, "CLIENT_KEY": CLIENT_KEY})
    try:
        yield gateway
    finally:
        kill_group(gateway.process)


def post(gateway: Gateway, path: str, body: object) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers and body of one answer."""
    headers = {"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json"}
    request = urllib.request.Request(gateway.url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, {name.lower(): value for name, value in error.headers.items()}, json.load(error)


def vectors_in(answer: dict) -> list[list[float]]:
    if "data" in answer:
        return [one["embedding"] for one in answer["data"]]
    if "embedding" in answer:
        alone = answer["embedding"]
        return [alone["values"] if isinstance(alone, dict) else alone]
    return [one["values"] if isinstance(one, dict) else one for one in answer["embeddings"]]


@pytest.mark.parametrize("provider_name", PROVIDERS)
@pytest.mark.parametrize("client", WIRE)
def test_every_pair_works_through_a_gateway(families: Gateway, client: str, provider_name: str) -> None:
    path, ask = WIRE[client]
    model = f"{provider_name}/mock-embedding"

    status, headers, answer = post(families, path.format(model), ask(model))

    count = 2 if client in ("openai.embeddings", "gemini.batch_embed", "ollama.embed") else 1
    size = 256 if client == "ollama.embeddings" else 4
    assert (status, answer if status != 200 else {}) == (200, {})
    assert vectors_in(answer) == [vector(text, size) for text in TEXTS[:count]]
    assert headers["x-unigate-provider"] == provider_name
    assert headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("provider_name", PROVIDERS)
def test_openais_own_client_reads_what_any_provider_answers(families: Gateway, provider_name: str) -> None:
    client = openai.OpenAI(base_url=f"{families.url}/v1", api_key=CLIENT_KEY, max_retries=0)

    answer = client.embeddings.create(model=f"{provider_name}/mock-embedding", input=TEXTS, dimensions=4)

    expected = [pytest.approx(vector(text, 4), rel=1e-6) for text in TEXTS]
    assert [one.embedding for one in answer.data] == expected  # unpacked from base64, which it asks for by itself


@pytest.mark.parametrize(
    ("path", "ask", "body"),
    [
        (
            "/api/embed",
            {"model": "cohere/mock-embedding"},
            {"error": "'input' is missing."},
        ),
        (
            "/v1/embeddings",
            {"model": "cohere/mock-embedding", "input": [7]},
            {"param": "input[].tokens", "code": "unsupported_parameter"},
        ),
    ],
)
def test_a_refusal_speaks_the_clients_format(families: Gateway, path: str, ask: object, body: dict) -> None:
    status, _, answer = post(families, path, ask)
    told = answer["error"]

    assert status == (400 if path == "/api/embed" else 422)
    assert body == answer if isinstance(told, str) else body.items() <= told.items()  # type: ignore[union-attr]


@pytest.mark.parametrize(("script", "status"), [("status=429", 429), ("status=401", 502), ("status=500", 502)])
@pytest.mark.parametrize("provider_name", PROVIDERS)
def test_an_upstreams_error_reaches_the_client_in_its_own_format(
    families: Gateway, provider_name: str, script: str, status: int
) -> None:
    model = f"{provider_name}/script:{script}"
    found, _, answer = post(families, "/api/embed", {"model": model, "input": "a"})
    assert found == status
    assert isinstance(answer["error"], str)


@pytest.mark.parametrize("provider_name", ["openai", "cohere"])
def test_every_ranking_works_through_a_gateway(families: Gateway, provider_name: str) -> None:
    documents = ["the door is left", {"text": "the window is open", "id": 7}, "a wall"]
    ask = {
        "documents": documents,
        "model": f"{provider_name}/mock-rerank",
        "query": "the door",
        "top_n": 2,
        "return_documents": True,
    }

    status, headers, answer = post(families, "/v1/rerank", ask)

    assert (status, headers["x-unigate-provider"]) == (200, provider_name)
    assert [(one["index"], one["relevance_score"], one["document"]["text"]) for one in answer["results"]] == [  # type: ignore[union-attr]
        (0, 1.0, "the door is left"),
        (1, 0.5, "the window is open"),
    ]


# --- the vendors' own libraries


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """A program with the libraries of Google, Ollama and Cohere."""
    judge = Judge(LIBRARIES, "sdks", tmp_path_factory.mktemp("vectors"))
    yield judge
    judge.dismiss()


@pytest.mark.parametrize("provider_name", PROVIDERS)
@pytest.mark.parametrize("library", ["google", "ollama"])
def test_vendors_libraries_read_vectors_of_any_provider(
    families: Gateway, libraries: Judge, library: str, provider_name: str
) -> None:
    job = {"library": library, "base_url": families.url, "key": CLIENT_KEY, "texts": TEXTS, "size": 4}

    told = libraries.ask(**job, model=f"{provider_name}/mock-embedding")
    refused = libraries.ask(**{**job, "key": "sk-ug-nobodys"}, model=f"{provider_name}/mock-embedding")

    assert told == {"places": [vector(text, 4) for text in TEXTS]}
    assert refused["status"] == 401


@pytest.mark.parametrize("provider_name", ["openai", "cohere"])
@pytest.mark.parametrize("library", ["cohere 1", "cohere 2"])
def test_coheres_libraries_read_rankings_of_any_provider(
    families: Gateway, libraries: Judge, library: str, provider_name: str
) -> None:
    texts = ["a wall", "the door is left", "the window is open"]
    job = {"library": library, "base_url": families.url, "key": CLIENT_KEY, "texts": texts, "size": 2}

    told = libraries.ask(**job, query="the door", model=f"{provider_name}/mock-rerank")
    refused = libraries.ask(**{**job, "key": "sk-ug-nobodys"}, query="the door", model=f"{provider_name}/mock-rerank")

    assert told == {"places": [[1, 1.0], [2, 0.5]]}
    assert refused == {"error": "UnauthorizedError", "status": 401}
