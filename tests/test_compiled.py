"""What the modules that ship as machine code must not do (docs/decisions/mypyc.md says why)."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def compiled() -> list[Path]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    listed = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]["include"]
    return [ROOT / name.lstrip("/") for name in listed]


@pytest.fixture(params=compiled(), ids=lambda path: path.stem)
def tree(request: pytest.FixtureRequest) -> ast.Module:
    return ast.parse(request.param.read_text("utf-8"))


def test_a_compiled_module_does_not_wait_while_it_handles_an_exception(tree: ast.Module) -> None:
    assert [node.lineno for node in in_handlers(tree) if isinstance(node, WAITS)] == []


def test_a_compiled_module_defines_no_struct(tree: ast.Module) -> None:
    structs = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and is_struct(node)]

    assert structs == []


def test_a_compiled_modules_dataclasses_have_no_slots_of_their_own(tree: ast.Module) -> None:
    made = [
        ast.unparse(one) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for one in node.decorator_list
    ]

    assert [one for one in made if "slots=" in one] == []


WAITS = (ast.Await, ast.Yield, ast.YieldFrom, ast.AsyncFor, ast.AsyncWith)


def in_handlers(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            for statement in [*node.finalbody, *(one for handler in node.handlers for one in handler.body)]:
                yield from ast.walk(statement)


def is_struct(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base) == "msgspec.Struct" for base in node.bases)
