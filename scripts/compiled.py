"""Prints the modules that ship as machine code, a line each."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
print(
    *(name.lstrip("/") for name in settings["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]["include"]),
    sep="\n",
)
