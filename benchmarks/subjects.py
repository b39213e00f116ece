"""Starts what is measured: Unigate, nginx as the bare proxy, the peers, the scripted upstream they all call."""

from __future__ import annotations

import getpass
import grp
import http.client
import json
import os
import secrets
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.formats import PAIRS
from benchmarks.processes import BenchError, Cores, Daemon, free_port, roles, spawn, wait_until

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".cache" / "peers"

SMALL_MODEL = "script:tokens=44"
STREAM_EVENTS = 200
STREAM_MODEL = f"script:tokens={STREAM_EVENTS},pace=5"
SLOW_MODEL = "script:tokens=9,stall=events:2"
TIMEOUTS = {"connect": 5, "first_byte": 60, "idle": 600, "total": 900}


@dataclass(frozen=True)
class Upstream:
    """The scripted upstream, as a gateway must know it."""

    port: int
    key: str
    authority: Path | None

    @property
    def base_url(self) -> str:
        return f"{'https' if self.authority else 'http'}://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Running:
    """Something that answers chat requests on a loopback port."""

    name: str
    port: int
    key: str
    daemon: Daemon
    ready_s: float
    stream_prefix: str = ""
    named_roles: tuple[str, ...] = ()
    authority: Path | None = None
    stream_model: str = STREAM_MODEL

    @property
    def front(self) -> str:
        """The role that carries the call."""
        return self.named_roles[0] if self.named_roles else "proxy"

    def roles(self) -> dict[str, list[int]]:
        """The processes, by what they do."""
        return roles(self.daemon.pid, self.named_roles, "supervisor" if self.named_roles else "proxy")


@dataclass(frozen=True)
class Place:
    """Where a run keeps its files and which cores it uses."""

    folder: Path
    cores: Cores

    def write(self, name: str, text: str) -> Path:
        path = self.folder / f"{secrets.token_hex(3)}-{name}"
        path.write_text(text)
        return path


Starter = Callable[[Place, Upstream], Running]


def open_connection(running: Running, timeout_s: float = 60) -> http.client.HTTPConnection:
    """A connection to something running, with TLS verified where it speaks TLS."""
    if running.authority is None:
        return http.client.HTTPConnection("127.0.0.1", running.port, timeout=timeout_s)
    context = ssl.create_default_context(cafile=str(running.authority))
    return http.client.HTTPSConnection("127.0.0.1", running.port, timeout=timeout_s, context=context)


def answers(running: Running, path: str) -> bool:
    """Whether a GET is answered with 200 now."""
    connection = open_connection(running, 5)
    try:
        connection.request("GET", path, headers={"authorization": f"Bearer {running.key}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def make_certificates(folder: Path) -> Path:
    """Makes an authority and a certificate for 127.0.0.1 signed by it; returns the authority's file."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    authority = ["-subj", "/CN=unigate bench authority", "-keyout", "ca.key", "-out", "ca.pem"]
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    leaf = ["-subj", "/CN=localhost", "-addext", names, "-addext", "basicConstraints=CA:FALSE"]
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "mock.key", "-out", "mock.pem"]
    for arguments in ([*key, *authority], [*key, *leaf, *signed]):
        command = ["openssl", "req", "-x509", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        if done.returncode:
            raise BenchError(f"openssl: {done.stderr.decode(errors='replace').strip()}")
    return folder / "ca.pem"


def start_upstream(place: Place, *, tls: bool) -> Running:
    """Starts the scripted upstream; a TLS one shows a certificate of the run's own authority."""
    port, key = free_port(), "sk-bench-upstream"
    argv = [sys.executable, "-m", "unigate.mock", "--host", "127.0.0.1", "--port", str(port), "--key", key]
    if tls:
        argv += ["--tls-cert", str(place.folder / "mock.pem"), "--tls-key", str(place.folder / "mock.key")]
    daemon = spawn(argv, core=place.cores.upstream, log=place.write("upstream.log", ""))
    authority = place.folder / "ca.pem" if tls else None
    return await_ready(Running("upstream", port, key, daemon, 0.0, authority=authority), "/mock/bill", 15)


def await_ready(running: Running, health: str, deadline_s: float) -> Running:
    """Waits for the first 200, and notes how long after the command line it came."""
    try:
        wait_until(
            lambda: answers(running, health), deadline_s=deadline_s, daemon=running.daemon, what="it did not start"
        )
    except BenchError:
        running.daemon.stop()
        raise
    return replace(running, ready_s=time.perf_counter() - running.daemon.began)


def start_unigate(place: Place, upstream: Upstream) -> Running:
    """Starts Unigate with one provider and one key, everything else as it comes."""
    provider = {"kind": "openai", "base_url": f"{upstream.base_url}/v1", "api_key": upstream.key, "timeouts": TIMEOUTS}
    return _start_unigate(place, upstream, {"bench": provider})


def start_limited(place: Place, upstream: Upstream) -> Running:
    """Starts Unigate with a key that eight limits hold for, in three scopes, all far from being reached."""
    provider = {"kind": "openai", "base_url": f"{upstream.base_url}/v1", "api_key": upstream.key, "timeouts": TIMEOUTS}
    many, dear = 100_000_000, 1_000_000
    limits = {
        "budget_usd_per_day": dear,
        "requests_per_minute": many,
        "tokens_per_minute": many * 10,
        "concurrency": many,
    }
    return _start_unigate(
        place,
        upstream,
        {"bench": provider},
        keyed={"project": "search", "limits": limits},
        projects={
            "search": {"organisation": "acme", "limits": {"budget_usd_per_month": dear, "requests_per_minute": many}}
        },
        organisations={"acme": {"limits": {"budget_usd_total": dear, "concurrency": many}}},
        prices={"bench/*": {"input": 1, "output": 2, "context": 128_000, "max_output": 16_000}},
    )


def start_translating(place: Place, upstream: Upstream) -> Running:
    """Starts Unigate with a provider for each format, all of them the one upstream."""
    spoken = {pair.spoken for pair in PAIRS.values()}
    row = {"api_key": upstream.key, "timeouts": TIMEOUTS}
    providers: dict[str, object] = {
        one.short: {**row, "base_url": f"{upstream.base_url}{one.base}", "speaks": [one.name], **one.settings}
        for one in spoken
    }
    return _start_unigate(place, upstream, providers)


def _start_unigate(
    place: Place,
    upstream: Upstream,
    providers: dict[str, object],
    *,
    keyed: dict[str, object] | None = None,
    **others: object,
) -> Running:
    """Starts Unigate; `keyed` is what its key has besides, the others are parts of its configuration."""
    port, key = free_port(), f"sk-ug-{secrets.token_hex(16)}"
    settings = {
        "server": {"host": "127.0.0.1", "port": port, "workers": 1},
        "providers": providers,
        "keys": [{"name": "bench", "key": key, **(keyed or {})}],
        **others,
    }
    config = place.write("unigate.yaml", json.dumps(settings))
    data = place.folder / f"data-{port}"
    command = [str(Path(sys.executable).parent / "unigate"), "serve", "--config", str(config), "--data", str(data)]
    if not Path(command[0]).exists():
        raise BenchError("not installed: run make setup")
    env = {"SSL_CERT_FILE": str(upstream.authority)} if upstream.authority else None
    daemon = spawn(command, core=place.cores.gateway, log=place.write("unigate.log", ""), env=env)
    running = Running("unigate", port, key, daemon, 0.0, named_roles=("door", "keeper"))
    return _with_all_roles(await_ready(running, "/health", 15))


def _with_all_roles(running: Running) -> Running:
    """Waits for the parts that come up after the first answer, so that none starts inside a measurement."""
    wanted, daemon = set(running.named_roles), running.daemon
    try:
        wait_until(lambda: wanted <= running.roles().keys(), deadline_s=10, daemon=daemon, what="a part is missing")
    except BenchError:
        daemon.stop()
        raise
    return running


NGINX = """
daemon off; worker_processes 1; worker_rlimit_nofile 20000; user {user} {group};
pid {folder}/nginx-{port}.pid; error_log stderr error;
events {{ worker_connections 16000; }}
http {{
  access_log off; keepalive_requests 100000000; tcp_nodelay on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_max_body_size 64m; client_body_buffer_size 512k;
  upstream up {{ server 127.0.0.1:{upstream_port}; keepalive 128; keepalive_requests 100000000; }}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 600s;
  {tls}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass {scheme}://up; }}
    location /unbuffered/ {{ proxy_buffering off; proxy_pass {scheme}://up/; }}
  }}
}}
"""
NGINX_TLS = "proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority}; proxy_ssl_name localhost;"


FIXED = """
daemon off; worker_processes 1; user {user} {group}; pid {folder}/fixed-{port}.pid; error_log stderr error;
events {{ worker_connections 1000; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/body;
  server {{
    listen 127.0.0.1:{port};
    location / {{ default_type application/json; return 200 '{answer}'; }}
  }}
}}
"""


def start_fixed(place: Place, answer: bytes) -> Running:
    """Starts an upstream so quick that the gateway is the narrow place: nginx, saying one answer for ever."""
    text = answer.decode()
    if "$" in text:
        raise BenchError(f"nginx cannot say a dollar sign: {text[:300]}")
    port = free_port()
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    config = place.write("fixed.conf", FIXED.format(**_owner(), folder=place.folder, port=port, answer=escaped))
    argv = ["nginx", "-p", str(place.folder), "-c", str(config)]
    daemon = spawn(argv, core=place.cores.upstream, log=place.write("fixed.log", ""))
    return await_ready(Running("fixed", port, "sk-bench-fixed", daemon, 0.0), "/", 10)


def _owner() -> dict[str, str]:
    return {"user": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}


def start_nginx(place: Place, upstream: Upstream) -> Running:
    """Starts nginx as a bare proxy: one worker, kept-alive upstream connections, no log, streams unbuffered."""
    port = free_port()
    text = NGINX.format(
        **_owner(),
        folder=place.folder,
        port=port,
        upstream_port=upstream.port,
        scheme="https" if upstream.authority else "http",
        tls=NGINX_TLS.format(authority=upstream.authority) if upstream.authority else "",
    )
    config = place.write("nginx.conf", text)
    argv = ["nginx", "-p", str(place.folder), "-c", str(config)]
    daemon = spawn(argv, core=place.cores.gateway, log=place.write("nginx.log", ""))
    running = Running("nginx", port, upstream.key, daemon, 0.0, stream_prefix="/unbuffered")
    return await_ready(running, "/mock/bill", 10)
