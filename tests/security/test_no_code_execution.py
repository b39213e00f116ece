"""T60: nothing that comes as data is ever run, rendered or opened."""

from __future__ import annotations

import ast
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from attack import ask, chat_body, descendants

import unigate
from gateways import Gateway
from harness import until
from unigate.config_file import load_config
from unigate.errors import ConfigError

SOURCE = Path(unigate.__file__).parent
PYTHON = "cposix\nsystem\n(S'touch /tmp/owned'\ntR."
PROBES = {
    "jinja": "{{7*7}}{{''.__class__.__mro__[1].__subclasses__()}}{% import os %}{{ os.popen('id').read() }}",
    "format": "{0.__class__.__init__.__globals__}",
    "shell": "$(touch /tmp/owned)`touch /tmp/owned`;touch /tmp/owned|touch /tmp/owned&",
    "jndi": "${jndi:ldap://127.0.0.1/x}${env:HOME}",
    "python": "__import__('os').system('touch /tmp/owned')",
    "pickle": PYTHON,
    "yaml": "!!python/object/apply:os.system ['touch /tmp/owned']",
    "path": "../../../../../../etc/passwd",
    "absolute path": "/etc/passwd",
    "file address": "file:///etc/passwd",
    "import": "os.system",
    "entity": '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "sql": "'; ATTACH DATABASE '/tmp/owned' AS owned; --",
}
FIELDS = (
    "command args env stdio cmd exec code script plugin plugins module import_path callback template prompt_template "
    "jinja guardrails tools functions mcp_servers file path filename include $ref __class__ __reduce__ py/object "
    "model_file tokenizer chat_template"
)

RUNNERS = {"system", "popen", "execv", "execve", "execvp", "spawnv", "spawnl", "fork", "forkpty", "posix_spawn"}
RUNNERS |= {"create_subprocess_exec", "create_subprocess_shell", "Popen", "check_output", "check_call"}


@cache
def trees() -> list[tuple[str, ast.Module]]:
    paths = sorted(SOURCE.rglob("*.py"))
    return [(path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text("utf-8"))) for path in paths]


def names_called(tree: ast.Module) -> set[str]:
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    plain = {one.id for one in called if isinstance(one, ast.Name)}
    return plain | {one.attr for one in called if isinstance(one, ast.Attribute)}


def imported(tree: ast.Module) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_only_the_supervisor_and_the_installer_start_programs() -> None:
    starters = {name for name, tree in trees() if names_called(tree) & RUNNERS or "subprocess" in imported(tree)}

    assert starters <= {"supervisor.py", "local/install.py"}


def test_nothing_loads_objects_or_code_from_data() -> None:
    loaders = {"pickle", "marshal", "shelve", "imp", "dill", "cloudpickle", "jinja2", "mako", "runpy", "code", "codeop"}
    suspects = {name: imported(tree) & (loaders | {"ctypes", "xml", "lxml"}) for name, tree in trees()}
    dynamic = {"import_module", "spec_from_file_location", "load_module", "unsafe_load", "full_load", "Template"}
    # The local models' libraries are optional guests, imported by a fixed name in a process of their own.
    calls = {name: names_called(tree) & (dynamic | {"eval", "exec", "__import__"}) for name, tree in trees()}

    assert {name: found for name, found in suspects.items() if found} == {}
    assert {name: found for name, found in calls.items() if found and not name.startswith("local/")} == {}


def test_yaml_is_read_by_its_events_with_the_safe_parser() -> None:
    names = {
        node.attr
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "yaml"
    }
    loads = {name for name in names if "load" in name.lower() and not name.endswith("Event")}

    assert loads <= {"SafeLoader", "CSafeLoader"}


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch /tmp/owned']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/object/new:subprocess.Popen [['touch', '/tmp/owned']]",
        "!!binary aGVsbG8=",
        "!include /etc/passwd",
        "!ENV ${HOME}",
        "!<tag:yaml.org,2002:python/object/apply:os.system> ['id']",
    ],
)
@pytest.mark.parametrize("place", ["{}", "providers: {}", "providers:\n  openai: {{api_key: {}}}", "? {}\n: x", "- {}"])
def test_a_tag_in_the_configuration_is_refused(tag: str, place: str) -> None:
    with pytest.raises(ConfigError, match=r"tags|must be|not YAML|unknown field"):
        load_config(place.format(tag), "unigate.yaml", {"HOME": "/root"})

    assert not Path("/tmp/owned").exists()


# --- watched by strace


def may_trace() -> bool:
    """Whether strace is there and the kernel lets us attach to our own processes."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        return False
    victim = subprocess.Popen(["sleep", "30"])
    watcher = subprocess.Popen(["strace", "-p", str(victim.pid)], stderr=subprocess.PIPE, text=True)
    assert watcher.stderr is not None
    said = watcher.stderr.readline()
    victim.kill()
    victim.wait()
    watcher.wait()
    return "attached" in said


@dataclass
class Watched:
    """What the processes were seen to run and to open; complete once the watching is over."""

    ran: list[str]
    opened: list[str]


@contextmanager
def watching(pids: list[int], log: Path) -> Iterator[Watched]:
    """Watches processes with strace for as long as the block lasts."""
    command = ["strace", "-f", "-qq", "-s", "300", "-e", "trace=execve,execveat,open,openat,openat2,fork,vfork"]
    command += ["-o", str(log), *(word for pid in pids for word in ("-p", str(pid)))]
    watcher = subprocess.Popen(command)
    seen = Watched([], [])
    try:
        until(lambda: all(is_traced(pid) for pid in pids), "strace")
        yield seen
    finally:
        watcher.send_signal(signal.SIGINT)
        watcher.wait(10)
        lines = log.read_text("utf-8", "replace").splitlines()
        seen.ran += [line for line in lines if re.search(r"\b(execve|execveat|fork|vfork)\(", line)]
        seen.opened += re.findall(r'open(?:at2?)?\((?:AT_FDCWD, )?"([^"]*)"', "\n".join(lines))


def is_traced(pid: int) -> bool:
    return re.search(r"TracerPid:\s+[1-9]", Path(f"/proc/{pid}/status").read_text()) is not None


def probe(gateway: Gateway, text: str) -> None:
    """Sends one probe in every field, header and path, as a client and as an admin."""
    told: dict[str, object] = dict.fromkeys(FIELDS, text) | {
        "tools": [{"type": "mcp", "command": text, "args": [text]}]
    }
    in_header = text.replace("\n", " ")
    for path in ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/moderations"):
        ask(gateway, "POST", path, told | chat_body(text, text, input=text), key=gateway.client_key)
    headers = [
        f"{name}: {in_header}" for name in ("content-type", "x-plugin", "x-command", "accept-language", "cookie")
    ]
    ask(gateway, "POST", "/v1/chat/completions", chat_body(), key=gateway.client_key, headers=headers)
    ask(gateway, "POST", "/v1/chat/completions", text.encode(), key=gateway.client_key)
    ask(gateway, "POST", "/admin/v1/keys", told | {"name": text}, key=gateway.admin_key)
    ask(gateway, "POST", "/admin/v1/keys", {"name": text, "models": [text]}, key=gateway.admin_key)
    quoted = "".join(f"%{byte:02x}" for byte in text.encode())
    for path in (f"/{quoted}", f"/v1/models/{quoted}", f"/docs/assets/{quoted}", f"/admin/v1/keys/{quoted}"):
        ask(gateway, "GET", path, key=gateway.admin_key)
        ask(gateway, "DELETE", f"{path}?{quoted}", key=gateway.admin_key)


def test_no_probe_makes_a_process_run_or_open_anything(gateway: Gateway, tmp_path: Path) -> None:
    if not may_trace():
        pytest.skip("strace is not installed or may not attach here; run this test as root on Linux with strace")
    owned = Path("/tmp/owned")
    assert not owned.exists()
    probe(gateway, "warm up")  # what is opened once and lazily, such as a page's file or a codec
    pids = descendants(gateway.process.pid)
    with watching(pids, tmp_path / "strace") as seen:
        for text in PROBES.values():
            probe(gateway, text)
        control = ask(gateway, "GET", "/docs/assets/docs.js", key=gateway.client_key)

    # The C library counts processors before it makes a thread.
    own = (str(gateway.data), "data/", "logs/", str(SOURCE), "/sys/devices/system/cpu/online")
    assert control.status == 200
    assert any(name.endswith("docs.js") for name in seen.opened), "strace sees what is opened"
    assert seen.ran == []
    assert [name for name in seen.opened if not name.startswith(own)] == []
    assert not owned.exists()


def test_a_rendered_probe_would_be_seen(gateway: Gateway) -> None:
    """The answers repeat probes at most letter by letter: nothing in them was calculated."""
    answer = ask(
        gateway, "POST", "/v1/chat/completions", chat_body("script:echo", PROBES["jinja"]), key=gateway.client_key
    )

    assert json.loads(answer.body)["choices"][0]["message"]["content"] == PROBES["jinja"]
