"""The local chat model: llama.cpp's own HTTP server, on loopback, behind a key, for as long as its parent lives."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from importlib import import_module
from os import cpu_count
from pathlib import Path
from threading import Event
from typing import Protocol
from urllib.parse import urlsplit

from unigate.local import CHAT_MODEL, available
from unigate.local.lifeline import Settings, follow_parent, refuse, say_ready

__all__ = ["main"]

_SLOTS = 4
_CONTEXT_OF_ALL_SLOTS = 8192
# Clients often wait five seconds for an unstreamed answer and name no limit; 256 tokens take about three.
_LONGEST_ANSWER = 256
_MOST_THREADS = 4
_TRIAL_TIMEOUT_S = 60.0

# The model's own template names "SmolLM, trained by Hugging Face" when there is no system message, and with that
# prompt the 4-bit weights ramble instead of answering; this one differs in that sentence only.
_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


class _Model(Protocol):
    path: str


class _Threads(Protocol):
    n_threads: int
    poll: int


class _Sampling(Protocol):
    temp: float
    top_p: float


class _Parameters(Protocol):
    """The part of llama.cpp's parameters that we set."""

    model: _Model
    model_alias: set[str]
    chat_template: str
    hostnames: list[str]
    port: int
    api_keys: list[str]
    cors_origins: str
    n_ctx: int
    n_parallel: int
    n_predict: int
    cache_ram_mib: int
    cache_idle_slots: bool
    cpuparams: _Threads
    cpuparams_batch: _Threads
    sampling: _Sampling
    endpoint_slots: bool
    ui: bool
    verbosity: int


class _Server(Protocol):
    """llama.cpp's server: listening once constructed, for as long as the object lives."""

    @property
    def listening_address(self) -> str: ...


def main() -> None:
    """Serves the chat model until the parent is gone."""
    settings = follow_parent()
    file = available().chat_file
    if file is None:
        refuse("the local chat model is not installed; `unigate local install` installs it")
    server = _serve(file, settings)
    port = urlsplit(server.listening_address).port
    if port is None:
        refuse(f"the local chat model listens nowhere: {server.listening_address}")
    _try_out(port, settings)
    say_ready(settings, port)
    Event().wait()


def _serve(file: Path, settings: Settings) -> _Server:
    library = import_module(
        "xllamacpp"
    )  # an optional extra, and without types: the two protocols above say what we use
    parameters: _Parameters = library.CommonParams()
    _set(parameters, file, settings)
    try:
        return library.Server(parameters)
    except RuntimeError as error:
        refuse(f"the local chat model cannot serve on {settings.host}:{settings.port}: {error}")


def _set(chosen: _Parameters, file: Path, settings: Settings) -> None:
    chosen.model.path = str(file)
    chosen.model_alias = {CHAT_MODEL}
    chosen.chat_template = _TEMPLATE
    chosen.hostnames, chosen.port, chosen.api_keys = [settings.host], settings.port, [settings.key]
    chosen.cors_origins = ""
    chosen.n_ctx, chosen.n_parallel, chosen.n_predict = _CONTEXT_OF_ALL_SLOTS, _SLOTS, _LONGEST_ANSWER
    # Its default keeps up to 8 GB of old conversations.
    chosen.cache_ram_mib, chosen.cache_idle_slots = 0, False
    for threads in (chosen.cpuparams, chosen.cpuparams_batch):
        # Waiting threads sleep: spinning, the default, is slower as soon as the doors share the cores.
        threads.n_threads, threads.poll = min(cpu_count() or 1, _MOST_THREADS), 0
    chosen.sampling.temp, chosen.sampling.top_p = 0.2, 0.9  # what the model's makers recommend
    chosen.endpoint_slots = chosen.ui = False
    chosen.verbosity = 3 if settings.debug else 0


def _try_out(port: int, settings: Settings) -> None:
    """Asks for one word, so that ready means answering and not just listening."""
    body = {"max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}]}
    connection = HTTPConnection(settings.host, port, timeout=_TRIAL_TIMEOUT_S)
    try:
        headers = {"Authorization": f"Bearer {settings.key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        refuse(f"the local chat model does not answer: {error}")
    finally:
        connection.close()
    if status != 200:
        refuse(f"the local chat model does not answer: HTTP {status}")


if __name__ == "__main__":
    main()
