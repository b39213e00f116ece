"""The languages the client programs are written in, installed once and kept in the checkout's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CACHE = ROOT / ".cache" / "clients"
INSTALL_S = 900
WANTED = {
    "bash": "Install bash to run the shell programs.",
    "curl": "Install curl to run the shell programs.",
    "go": "Install Go 1.19 or newer (Debian: golang) to run the Go programs.",
    "java": "Install a JDK 17 or newer (Debian: default-jdk) to run the Java programs.",
    "mvn": "Install Maven 3.8 or newer (Debian: maven) to run the Java programs.",
    "node": "Install Node.js 20 or newer (Debian: nodejs) to run the JavaScript programs.",
    "npm": "Install npm to run the JavaScript programs.",
}


def need(*programs: str) -> None:
    """Skips the test when a program is missing; on the build machine nothing may be missing."""
    missing = [WANTED[program] for program in programs if shutil.which(program) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(" ".join([*missing, "Or run scripts/toolchains.sh."]))
    if missing:
        pytest.skip(" ".join(missing))


def python(requirements: Path) -> list[str]:
    """The command of a Python that has exactly these requirements."""
    folder = _prepared(
        f"{requirements.parent.name}-{requirements.stem}", [requirements], partial(_virtual_environment, requirements)
    )
    return [str(folder / "bin" / "python")]


def node_modules() -> Path:
    """The modules of the JavaScript example, installed from its lock file."""
    need("node", "npm")
    package = EXAMPLES / "node-openai"
    inputs = [package / name for name in ("package.json", "package-lock.json", ".npmrc")]
    return _prepared("node", inputs, partial(_node_packages, inputs)) / "node_modules"


def go_program(source: Path, name: str) -> list[str]:
    """The command that runs this Go file, compiled with the module file beside it if there is one."""
    need("go")
    inputs = [path for path in (source, source.with_name("go.mod")) if path.is_file()]
    folder = _prepared(f"go-{name}", inputs, partial(_go_build, inputs))
    return [str(folder / "program")]


def java_classes() -> str:
    """The class path of the Java example: its own classes and its libraries."""
    need("java", "mvn")
    project = EXAMPLES / "java"
    inputs = [project / "pom.xml", *sorted((project / "src").rglob("*.java"))]
    target = _prepared("java", inputs, partial(_maven_build, project)) / "target"
    return f"{target / 'classes'}{os.pathsep}{target / 'lib' / '*'}"


def _virtual_environment(requirements: Path, folder: Path) -> None:
    _install([sys.executable, "-m", "venv", str(folder)])
    _install([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(requirements)])


def _node_packages(inputs: list[Path], folder: Path) -> None:
    for source in inputs:
        shutil.copy(source, folder)
    _install(["npm", "ci", "--no-audit", "--no-fund"], folder)


def _go_build(inputs: list[Path], folder: Path) -> None:
    for source in inputs:
        shutil.copy(source, folder)
    environment = {"GOCACHE": str(CACHE / "go-cache"), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    _install(["go", "build", "-o", "program", inputs[0].name], folder, environment)


def _maven_build(project: Path, folder: Path) -> None:
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("target"), dirs_exist_ok=True)
    _install(
        ["mvn", "-B", "-q", f"-Dmaven.repo.local={CACHE / 'm2'}", "compile", "dependency:copy-dependencies"], folder
    )


def _install(command: list[str], folder: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALL_S,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}", pytrace=False)


def _prepared(name: str, inputs: list[Path], build: Callable[[Path], None]) -> Path:
    folder = CACHE / name
    stamp = folder / ".stamp"
    wanted = hashlib.sha256(sys.version.encode() + b"".join(path.read_bytes() for path in inputs)).hexdigest()
    with _lock(name):
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            build(folder)
            stamp.write_text(wanted)
    return folder


@contextmanager
def _lock(name: str) -> Iterator[None]:
    locks = CACHE / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / name).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
