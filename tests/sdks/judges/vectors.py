"""Asks for vectors and rankings with the libraries of Google, Ollama and Cohere; each job and answer is a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import cohere
import ollama
from google import genai
from google.genai import types

Places = list[list[float]]


def google(job: dict) -> Places:
    options = types.HttpOptions(base_url=job["base_url"])
    config = types.EmbedContentConfig(output_dimensionality=job["size"])
    with genai.Client(api_key=job["key"], http_options=options) as client:
        answer = client.models.embed_content(model=job["model"], contents=job["texts"], config=config)
    return [one.values for one in answer.embeddings]


def ollamas(job: dict) -> Places:
    client = ollama.Client(host=job["base_url"], headers={"authorization": f"Bearer {job['key']}"})
    answer = client.embed(model=job["model"], input=job["texts"], dimensions=job["size"])
    return [list(one) for one in answer.embeddings]


def first_cohere(job: dict) -> Places:
    return ranked(cohere.Client(api_key=job["key"], base_url=job["base_url"]), job)


def second_cohere(job: dict) -> Places:
    return ranked(cohere.ClientV2(api_key=job["key"], base_url=job["base_url"]), job)


def ranked(client: cohere.Client | cohere.ClientV2, job: dict) -> Places:
    answer = client.rerank(model=job["model"], query=job["query"], documents=job["texts"], top_n=job["size"])
    return [[one.index, one.relevance_score] for one in answer.results]


LIBRARIES: dict[str, Callable[[dict], Places]] = {
    "google": google,
    "ollama": ollamas,
    "cohere 1": first_cohere,
    "cohere 2": second_cohere,
}

for line in sys.stdin:
    job = json.loads(line)
    try:
        told: dict = {"places": LIBRARIES[job["library"]](job)}
    except Exception as error:  # whatever the library raises is its verdict
        told = {"error": type(error).__name__, "status": getattr(error, "status_code", getattr(error, "code", None))}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
