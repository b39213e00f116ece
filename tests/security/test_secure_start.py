"""T65: a start without decisions is safe, and an unsafe decision is no start."""

from __future__ import annotations

import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from attack import ask

from gateways import PATIENCE_S, clean_environment, free_port, kill_group, start_gateway
from harness import until

ROOT = Path(__file__).parent.parent.parent
GOOD_KEY = "Zk3vT9qLw8RmXc5bNd2s"
CONFIG = 'providers: {{openai: {{api_key: not-used}}}}\nkeys: [{{name: "{name}", key: "{key}"{more}}}]\n'
FIRST_KEY = re.compile(r"(admin|client) (sk-ug-\S{40,})")


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unigate", *arguments],
        cwd=folder,
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def test_with_nothing_set_it_makes_random_keys_that_only_their_owner_can_read(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    port = free_port()
    gateway = start_gateway(one, "--port", str(port), port=port)
    try:
        keys = first_keys(gateway.data)
        listed = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True).stdout
        assert {line.split()[3] for line in listed.splitlines() if line.split()[3].endswith(f":{port}")} == {
            f"127.0.0.1:{port}"
        }
        statuses = [
            ask(gateway, "GET", "/admin/v1/keys", key=key).status for key in ("", keys["client"], keys["admin"])
        ]
        assert statuses == [401, 403, 200]
        assert keys["admin"] not in gateway.output.read_text()
    finally:
        kill_group(gateway.process)

    assert len({*keys.values(), *keys_of_another_start(two).values()}) == 4


def first_keys(data: Path) -> dict[str, str]:
    """The keys that a start has made, by role; nothing before it has."""
    file = data / "first-keys"
    if not file.exists():
        return {}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return dict(FIRST_KEY.findall(file.read_text()))


def keys_of_another_start(folder: Path) -> dict[str, str]:
    """What another start makes; it ends before it has loaded any model."""
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "unigate", "serve", "--port", str(free_port())],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: first_keys(folder / "data").keys() == {"admin", "client"}, "the keys", PATIENCE_S)
        return first_keys(folder / "data")
    finally:
        kill_group(process)


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        "short",
        "sk-1234",
        "fifteen-letters",
        "sk-1234567890abcdef",
        "0123456789abcdef",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "abababababababababababab",
        "change-me-please-change-me",
        "your-api-key-goes-here",
        "sk-ug-admin-changeme0000",
        "password-password-password",
        "qwertyuiopasdfghjkl",
        "has a space in the middle of it",
        "ключ-ключ-ключ-ключ-ключ",
        "${NOT_SET}",
        "${EMPTY}",
        "${EMPTY:-}",
        "${EMPTY:-changeme-changeme}",
    ],
)
@pytest.mark.parametrize("role", ["client", "admin"])
def test_a_key_that_anyone_could_try_is_refused(tmp_path: Path, key: str, role: str) -> None:
    (tmp_path / "unigate.yaml").write_text(CONFIG.format(name="n", key=key, more=f", role: {role}"))
    from unigate.config_file import load_config
    from unigate.errors import ConfigError

    with pytest.raises(ConfigError) as refused:
        load_config((tmp_path / "unigate.yaml").read_text(), "unigate.yaml", {"EMPTY": ""})

    assert re.search(r"unigate\.yaml:2: keys\[0\]|unigate\.yaml:2: the variable", str(refused.value))
    assert len(key) < 8 or key.startswith("$") or key not in str(refused.value)


@pytest.mark.parametrize("command", ["serve", "check"])
def test_nothing_starts_with_such_a_key(tmp_path: Path, command: str) -> None:
    (tmp_path / "unigate.yaml").write_text(CONFIG.format(name="n", key="${ADMIN}", more=", role: admin"))
    done = run(tmp_path, command, ADMIN="change-me-change-me-1")

    assert (done.returncode != 0, "change-me-change-me-1" in done.stdout + done.stderr) == (True, False)
    assert "placeholder" in done.stderr
    assert not (tmp_path / "data" / "unigate.db").exists()


def test_it_listens_beyond_this_machine_only_when_told_and_still_asks_for_a_key(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "unigate.yaml").write_text(CONFIG.format(name="n", key=GOOD_KEY, more=""))
    gateway = start_gateway(tmp_path, "--host", "0.0.0.0", "--port", str(port), port=port)
    try:
        protected = ("/admin/v1/keys", "/v1/models", "/models", "/v1/models/x")
        assert {ask(gateway, "GET", path).status for path in protected} == {401}
        assert ask(gateway, "GET", "/admin/v1/keys", key=GOOD_KEY).status == 403
        assert ask(gateway, "GET", "/health").body == b'{"status":"ok"}'
    finally:
        gateway.stop(signal.SIGTERM)


def test_a_provider_without_a_key_is_no_start(tmp_path: Path) -> None:
    (tmp_path / "unigate.yaml").write_text("providers: {openai: {}}\n")
    done = run(tmp_path, "serve", "--port", "0")

    assert (done.returncode, "needs api_key" in done.stderr) == (2, True)


@pytest.mark.parametrize("language", ["", ".zh"])
def test_the_documented_configuration_passes_the_check(tmp_path: Path, language: str) -> None:
    page = (ROOT / "docs" / f"configuration{language}.md").read_text("utf-8")
    example = max(re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL), key=len)
    names = set(re.findall(r"\$\{([A-Z_a-z0-9]+)", example))
    (tmp_path / "unigate.yaml").write_text(example, "utf-8")
    filled = {name: f"{GOOD_KEY}{number}" for number, name in enumerate(sorted(names))}
    good = run(tmp_path, "check", **filled)
    without = run(tmp_path, "check")

    assert (good.returncode, good.stderr) == (0, "")
    assert (without.returncode, "is not set" in without.stderr) == (1, True)
