"""The documentation, held to the product: links, twins, tables, commands and configurations."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from textwrap import indent
from urllib.parse import unquote

import pytest

from unigate.config_file import load_config, load_table, plain
from unigate.config_nodes import Problems, parse_nodes
from unigate.errors import REACTIONS
from unigate.routing.table import parse_table
from unigate.storage.opening import MOVED

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "unigate"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").glob("*.md")])
ONLY_ENGLISH = {"CHANGELOG.md"}
# Pages whose YAML is rows of the provider table and no configuration.
ROWS = re.compile(r"add-a-provider(\.zh)?\.md")
# What stands beside the gateway and raises no error of its own towards a client.
NOT_THE_GATEWAY = ("mock", "local")
WORDS = [
    *(
        "call",
        "attempt",
        "caller",
        "key",
        "dialect",
        "crossing",
        "reader",
        "writer",
        "meter",
        "provider",
        "model",
        "target",
    ),
    *("route", "fault", "refusal", "hold", "slice", "settlement", "record", "journal", "segment", "door", "keeper"),
    *("snapshot", "sink"),
]

# What stands under the same name in each dialect's folder; the architecture explains it once.
PARTS = (
    *("dialect", "fields", "request_reader", "request_writer"),
    *("answer_reader", "answer_writer", "meter", "errors"),
)

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def prose_of(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


def blocks_of(page: Path, *languages: str) -> list[str]:
    return [text for language, text in FENCE.findall(page.read_text("utf-8")) if language in languages]


def rows_of(page: Path) -> list[list[str]]:
    return [[cell.strip() for cell in row.split("|")] for row in ROW.findall(page.read_text("utf-8"))]


# --- links and twins


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_broken(page: Path, link: str) -> bool:
    path, _, anchor = unquote(link).partition("#")
    place = (page.parent / path).resolve() if path else page
    if not place.exists() or not place.is_relative_to(ROOT):
        return True
    return bool(anchor) and place.suffix == ".md" and anchor not in anchors_of(place)


@each_page
def test_every_local_link_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(prose_of(page)) if not re.match(r"https?:|mailto:", link)]

    assert [link for link in links if is_broken(page, link)] == []


def shape_of(page: Path) -> tuple[list[str], list[str]]:
    """What a page and its twin have in common: the levels of its headings, the languages of its blocks."""
    levels = re.findall(r"^(#+) ", prose_of(page), re.MULTILINE)
    return levels, [language for language, _ in FENCE.findall(page.read_text("utf-8"))]


def has_twin(page: Path) -> bool:
    return page.name not in ONLY_ENGLISH and page.parent.name != "decisions"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if not page.stem.endswith(".zh") and has_twin(page)], ids=name_of
)
def test_a_page_and_its_chinese_twin_have_the_same_parts(page: Path) -> None:
    twin = page.with_suffix(".zh.md")

    assert twin.exists()
    assert shape_of(twin) == shape_of(page)


def test_no_chinese_page_is_without_its_english_one() -> None:
    twins = [page for page in PAGES if page.stem.endswith(".zh")]

    assert [name_of(page) for page in twins if not page.with_name(page.name.replace(".zh", "")).exists()] == []


# --- the architecture and the glossary


def all_modules() -> list[Path]:
    """Every module; an empty `__init__.py` is none."""
    return [path for path in SOURCE.rglob("*.py") if path.read_text("utf-8").strip()]


def is_part(path: Path) -> bool:
    """Whether a module is one of those that each dialect's folder has under the same name."""
    return path.parent.parent == SOURCE / "dialects" and path.stem in PARTS


def rooms_of(page: Path) -> list[str]:
    """The folders that have a row of their own."""
    return [room[1] for cells in rows_of(page) if (room := re.match(r"`([\w/]+/)`", cells[0]))]


def named_modules(page: Path) -> set[str]:
    """The modules that the tables of layers name; a room's row lists the files in it."""
    named: set[str] = set()
    for cells in rows_of(page):
        names = re.findall(r"`([\w/]+(?:\.py|/))`", cells[0])
        room = names[0] if names and names[0].endswith("/") else ""
        named |= {room + name for name in names if name != room}
    return named


@pytest.mark.parametrize("page", ["architecture.md", "architecture.zh.md"])
def test_the_architecture_names_each_module_that_there_is(page: str) -> None:
    assert named_modules(DOCS / page) == {
        path.relative_to(SOURCE).as_posix() for path in all_modules() if not is_part(path)
    }


@pytest.mark.parametrize("page", ["architecture.md", "architecture.zh.md"])
def test_the_architecture_explains_the_folder_of_a_dialect_once_and_names_each(page: str) -> None:
    folders = {f"dialects/{path.parent.name}/" for path in all_modules() if path.parent.parent.name == "dialects"}
    explained = [cells[0].strip("`") for cells in rows_of(DOCS / page) if cells[0].strip("`") in PARTS]

    assert {room for room in rooms_of(DOCS / page) if room.startswith("dialects/")} == folders
    assert sorted(explained) == sorted(PARTS)


@pytest.mark.parametrize("page", ["architecture.md", "architecture.zh.md"])
def test_the_architecture_shows_the_hot_path_as_it_is(page: str) -> None:
    (shown,) = blocks_of(DOCS / page, "python")

    assert indent(shown, "    ") in (SOURCE / "relay.py").read_text("utf-8")


@pytest.mark.parametrize("page", ["architecture.md", "architecture.zh.md"])
def test_the_architecture_names_each_file_of_the_data_folder(page: str) -> None:
    names = {name for path in SOURCE.rglob("*.py") for name in re.findall(r'data / "([^"]+)"', path.read_text("utf-8"))}
    told = set(re.findall(r"`data/([^`/]+)/?`", (DOCS / page).read_text("utf-8")))

    assert sorted({*names, MOVED, "snapshot.seen"} - told) == []


def test_each_dependency_is_argued_in_a_decision() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = [re.split(r"[<>=]", dependency)[0] for dependency in project["dependencies"]]
    argued = "".join(page.read_text("utf-8") for page in (DOCS / "decisions").glob("*.md")).lower()

    assert [name for name in names if name not in argued] == []


@pytest.mark.parametrize("page", ["glossary.md", "glossary.zh.md"])
def test_the_glossary_has_each_word_of_the_design(page: str) -> None:
    explained = {word for cells in rows_of(DOCS / page) for word in re.findall(r"\*\*([\w ]+)\*\*", cells[0])}

    assert [word for word in WORDS if word not in explained] == []


# --- errors


def constant(node: ast.expr | None) -> str | int | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str | int) else None


def answers_in(tree: ast.Module) -> Iterator[tuple[int | None, str]]:
    """Status and code of each error that a module makes for clients; None is a status known only at run time."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        given: list[ast.expr | None] = [*node.args, None, None]
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        match node.func.id:
            case "Refusal" | "Told":
                status, code = constant(keywords.get("status", given[0])), constant(keywords.get("code", given[1]))
            case "_refused":
                status, code = 401, constant(given[0])
            case _:
                continue
        if isinstance(code, str):
            yield status if isinstance(status, int) else None, code


def made_errors() -> set[tuple[int | None, str]]:
    files = [path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] not in NOT_THE_GATEWAY]
    return {answer for path in files for answer in answers_in(ast.parse(path.read_text("utf-8")))}


@pytest.mark.parametrize("page", ["errors.md", "errors.zh.md"])
def test_every_refusal_is_explained_and_every_explained_one_exists(page: str) -> None:
    made = made_errors()
    rows = [cells for cells in rows_of(DOCS / page) if len(cells) == 4 and cells[0].isdigit()]
    explained = {(int(cells[0]), cells[1].strip("`")) for cells in rows}
    passed_on = {code for status, code in made if status is None}

    assert explained == {(status, code) for status, code in made if status is not None}
    assert [code for code in passed_on if f"`{code}`" not in prose_of(DOCS / page)] == []


def types_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Code and type of each refusal whose words are written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal":
            code = constant(node.args[1]) if len(node.args) > 1 else None
            kind = next((keyword.value for keyword in node.keywords if keyword.arg == "type"), None)
            if isinstance(code, str):
                yield code, str(constant(kind) or "invalid_request_error")


@pytest.mark.parametrize("page", ["errors.md", "errors.zh.md"])
def test_every_refusal_is_explained_with_its_type(page: str) -> None:
    told = {cells[1].strip("`"): " ".join(cells) for cells in rows_of(DOCS / page) if cells[0].isdigit()}
    named = {code: re.search(r"[(（]type[^`]{1,3}`(\w+)`", words) for code, words in told.items()}
    types = {code: found[1] if found else "invalid_request_error" for code, found in named.items()}
    made = {one for path in SOURCE.rglob("*.py") for one in types_in(ast.parse(path.read_text("utf-8")))}

    assert [(code, kind) for code, kind in made if types[code] != kind] == []


@pytest.mark.parametrize(("page", "yes", "no"), [("errors.md", "yes", "no"), ("errors.zh.md", "是", "否")])
def test_every_fault_is_explained_as_it_is_treated(page: str, yes: str, no: str) -> None:
    explained = {cells[0].strip("`"): cells[1:4] for cells in rows_of(DOCS / page) if cells[0].startswith("`upstream_")}
    treated = {
        kind.value: [str(reaction.status), yes if reaction.try_next else no, yes if reaction.may_have_run else no]
        for kind, reaction in REACTIONS.items()
    }

    assert explained == treated


# --- commands


@cache
def help_of(*command: str) -> str:
    """What a command says of itself, however wide the terminal."""
    arguments = [sys.executable, "-m", "unigate", *command, "--help"]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment).stdout


def offers(help_text: str, word: str) -> bool:
    pattern = rf"(?<![\w-]){re.escape(word)}(?![\w-])" if word.startswith("-") else rf"^    {word}\b"
    return re.search(pattern, help_text, re.MULTILINE) is not None


def commands_in(page: Path) -> set[str]:
    """Every `unigate …` of a page, as a line of a block or as code in a sentence."""
    lines = [line for block in blocks_of(page, "bash", "sh", "") for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", prose_of(page))
    found = (re.match(r"(?:\$ |\.venv/bin/|python -m )?unigate ([a-z-].*)", text) for text in (*lines, *spans))
    return {match[1].partition(" #")[0].strip() for match in found if match}


def unknown_in(command: str) -> list[str]:
    """The words of a command line that the command's help does not have."""
    words = shlex.split(command)
    path = [words[0]] if not words[0].startswith("-") else []
    if path and not offers(help_of(), words[0]):
        return [words[0]]
    if words[1:] and path and re.search(r"\{[a-z,]+\}|ACTION", help_of(*path).splitlines()[0]) and path != ["mock"]:
        if not offers(help_of(*path), words[1]):
            return [words[1]]
        path.append(words[1])
    texts = [help_of(*path[:depth]) for depth in range(len(path) + 1)]
    flags = [word.partition("=")[0] for word in words if word.startswith("--")]
    return [flag for flag in flags if not any(offers(text, flag) for text in texts)]


@each_page
def test_every_command_and_flag_exists(page: Path) -> None:
    commands = commands_in(page)

    assert [(command, unknown) for command in commands if (unknown := unknown_in(command))] == []


@each_page
def test_a_page_with_commands_says_where_a_checkout_has_the_command(page: Path) -> None:
    blocks = "".join(blocks_of(page, "bash", "sh", ""))

    if re.search(r"^unigate [a-z]", blocks, re.MULTILINE):
        assert "`.venv/bin/unigate`" in page.read_text("utf-8")


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_every_flag_of_the_front_page_exists(page: str) -> None:
    text = prose_of(ROOT / page)
    flags = set(re.findall(r"`(--[a-z-]+)`", text)) | set(re.findall(r'ARGS="(--[a-z-]+)', text))
    known = help_of("serve") + help_of("check")

    assert flags and [flag for flag in flags if not offers(known, flag)] == []


@pytest.mark.parametrize("page", ["README.md", "README.zh.md", "docs/contributing/README.md"])
def test_every_make_target_exists(page: str) -> None:
    targets = set(re.findall(r"\bmake ([a-z-]+)\b", "\n".join(blocks_of(ROOT / page, "bash"))))
    makefile = (ROOT / "Makefile").read_text("utf-8")

    assert targets and [target for target in targets if f"\n{target}:" not in makefile] == []


# --- configurations and programs


def dummies_for(text: str) -> dict[str, str]:
    """A value for each variable without a default: a port, or a key unlike all others."""
    names = re.findall(r"\$\{(\w+)\}", text)
    return {name: "8000" if name.endswith("PORT") else f"sk-{name.lower()}-Zq7vX2mK9pLw4RtB" for name in names}


@each_page
def test_every_configuration_in_the_documentation_is_valid(page: Path) -> None:
    for block in blocks_of(page, "yaml"):
        if ROWS.fullmatch(page.name):
            assert parse_table(plain(parse_nodes(block, Problems(page.name))))
        else:
            load_config(block, name_of(page), dummies_for(block))


@pytest.mark.parametrize("page", ["README.md", "README.zh.md", "docs/quickstart.md", "docs/quickstart.zh.md"])
def test_every_python_program_is_one(page: str) -> None:
    programs = blocks_of(ROOT / page, "python")

    assert programs and all(ast.parse(program) for program in programs)


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_front_page_keeps_a_place_for_the_benchmark(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")

    assert 0 < text.find("<!-- benchmark -->") < text.find("<!-- /benchmark -->")


def test_there_are_more_than_sixty_services() -> None:
    assert len(load_table()) > 60
