"""T57: whatever is sent, the database sees the same few statements, and nobody without a key sees it at all."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from test_keeper import Running, settings, start_keeper

SOURCE = Path(__file__).parents[2] / "src" / "unigate"
STRINGS = (
    "'",
    '"',
    "' OR '1'='1",
    "1' OR 1=1 -- ",
    "'; DROP TABLE keys; --",
    "') UNION SELECT hash FROM keys --",
    "1; SELECT pg_sleep(5)",
    "' AND (SELECT 1 FROM (SELECT randomblob(500000000))) --",
    "%",
    "_%_%" * 40,
    "\\",
    "\\'",
    "?1",
    "$1",
    "%s",
    "{0}",
    "\x00",
    "admin'/*",
    "0x27",
    "‘",
    "ʼ",
)


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start_keeper(tmp_path_factory.mktemp("injection"), settings()) as keeper:
        yield keeper


def places(keeper: Running) -> list[tuple[str, str, object]]:
    """Each place of the administration where a text can be put: paths, queries, bodies."""
    document = json.loads(keeper.ask("GET", "/openapi.json", key="")[2])
    found: list[tuple[str, str, object]] = []
    for path, item in document["paths"].items():
        for method, told in item.items() if path.startswith("/admin/") else ():
            plain = re.sub(r"\{\w+\}", "x", path)
            found += [(method.upper(), re.sub(r"\{\w+\}", "TEXT", path), {})] if "{" in path else []
            names = [one["name"] for one in told.get("parameters", []) if one["in"] == "query"]
            found += [(method.upper(), f"{plain}?{name}=TEXT", None) for name in names]
            if "requestBody" in told:
                fields = ("name", "project", "organisation", "expires", "confined_to", "role", "overlap")
                found += [(method.upper(), plain, {"name": "x", field: "TEXT"}) for field in fields]
                found += [(method.upper(), plain, {"name": "x", "models": ["TEXT"], "tags": {"TEXT": "TEXT"}})]
                found += [(method.upper(), plain, {"name": "TEXT", "addresses": ["TEXT"]})]
    return found


def with_text(place: tuple[str, str, object], text: str) -> tuple[str, str, object]:
    method, path, body = place
    filled = json.loads(json.dumps(body).replace('"TEXT"', json.dumps(text))) if body is not None else None
    return method, path.replace("TEXT", quote(text, safe="")), filled


def test_the_words_of_an_attack_are_only_words(keeper: Running) -> None:
    found = places(keeper)
    before = [one.hash for one in keeper.stored().keys]
    verdicts: dict[int, int] = {}
    for text in STRINGS:
        for place in found:
            status, _, content = keeper.ask(*with_text(place, text))
            verdicts[status] = verdicts.get(status, 0) + 1
            assert status < 500, (place, text, content)
            assert b"SQL" not in content and b"syntax" not in content

    assert len(found) > 60
    assert set(verdicts) <= {200, 201, 400, 404, 405, 409}
    assert "database did not take" not in keeper.log() and "Traceback" not in keeper.log()
    assert set(before) <= {one.hash for one in keeper.stored().keys}


def test_without_a_key_no_text_reaches_the_database(keeper: Running) -> None:
    found = places(keeper)
    tries = [
        keeper.ask(*with_text(place, text), key=key)[0]
        for text in STRINGS[:6]
        for place in found
        for key in ("", "sk-ug-nobody-knows-this-one")
    ]

    assert set(tries) == {401}


@pytest.mark.parametrize("text", [one for one in STRINGS if one.isprintable() and one.isascii()])
def test_a_key_that_is_an_attack_is_an_unknown_key(keeper: Running, text: str) -> None:
    status, _, content = keeper.ask("GET", "/admin/v1/keys", key=text)

    assert (status, json.loads(content)["error"]["code"]) == (401, "invalid_api_key")


# --- the statements themselves


def statements_made_at_run_time(path: Path) -> list[str]:
    """Places where a text is built and handed to something that runs statements."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name not in ("run", "execute", "executemany", "many"):
            continue
        for part in ast.walk(node.args[0]):
            is_built = isinstance(part, ast.JoinedStr | ast.BinOp) or (
                isinstance(part, ast.Call) and getattr(part.func, "attr", "") in ("format", "join", "replace")
            )
            if is_built:
                found.append(f"{path.name}:{node.lineno}")
    return found


def test_no_statement_is_built_where_it_is_run() -> None:
    assert [place for path in (SOURCE / "storage").rglob("*.py") for place in statements_made_at_run_time(path)] == []
