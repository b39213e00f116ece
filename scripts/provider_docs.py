"""Writes the table of providers into docs/providers.md and its Chinese sister; --check tells if they are stale."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import yaml

from unigate.routing.table import CREDENTIALS, SCHEMES, Row, Table, parse_table, schemes_of

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "src" / "unigate" / "routing" / "providers.yaml"
BEGIN, END = "<!-- providers:begin (scripts/provider_docs.py) -->", "<!-- providers:end -->"


class Words(msgspec.Struct, frozen=True):
    """What a page calls things, in its language."""

    heads: tuple[str, ...]
    ways: str
    either: str
    renames: str
    drops: str
    no_usage: str
    local: str
    needs: str
    in_file: str
    separator: str


PAGES = {
    "providers.md": Words(
        heads=("Name", "Service", "Key from", "Address", "Speaks", "Notes"),
        ways="takes {ways}",
        either=" or ",
        renames="`{old}` is sent as `{new}`",
        drops="`{field}` is left out",
        no_usage="tells usage in a stream unasked",
        local="no key needed",
        needs="needs `{need}`",
        in_file="only if named in `unigate.yaml`",
        separator="; ",
    ),
    "providers.zh.md": Words(
        heads=("名称", "服务", "密钥来自", "地址", "支持的格式", "说明"),
        ways="凭据为 {ways}",
        either=" 或 ",
        renames="`{old}` 改名为 `{new}` 发送",
        drops="不发送 `{field}`",
        no_usage="流式回答无需请求即带用量",
        local="无需密钥",
        needs="必须给出 `{need}`",
        in_file="仅在 `unigate.yaml` 中写明时启用",
        separator="；",
    ),
}


def notes(row: Row, words: Words) -> Iterator[str]:
    """What is worth knowing of a row beyond its address."""
    if row.local:
        yield words.local
    if not row.discover:
        yield words.in_file
    for need in row.needs:
        names = row.variables.get(need, ())
        yield words.needs.format(need=need) + (f" ({code(names)})" if names else "")
    schemes = schemes_of(row.auth)
    if len(schemes) > 1:
        yield words.ways.format(
            ways=words.either.join(" + ".join(f"`{one}`" for one in SCHEMES[way]) for way in schemes)
        )
    for old, new in row.rename.items():
        yield words.renames.format(old=old, new=new)
    for field in row.drop:
        yield words.drops.format(field=field)
    if not row.stream_usage:
        yield words.no_usage


def code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main_address(row: Row) -> str:
    """Where the service is asked first, with the usual values filled in."""
    address = row.base_url or ""
    for placeholder, value in row.defaults.items():
        address = address.replace(f"{{{placeholder}}}", value)
    return address


def variables(row: Row) -> tuple[str, ...]:
    """The variables a credential is found in: one, or all parts of one."""
    parts = (names[0] for fact, names in row.variables.items() if fact in CREDENTIALS)
    return (*row.key_variables, *parts)


def line(name: str, row: Row, words: Words) -> str:
    """One row of the Markdown table."""
    address = main_address(row)
    spoken = [one.removeprefix("openai.") for part in (row, *row.also) for one in part.speaks]
    cells = (
        f"`{name}`",
        f"[{row.title}]({row.docs})",
        code(variables(row)) or "—",
        f"`{address}`" if address else "—",
        ", ".join(one for one in spoken if not one.endswith(".stream")),
        words.separator.join(notes(row, words)) or "—",
    )
    return f"| {' | '.join(cells)} |"


def markdown(table: Table, words: Words) -> str:
    """The whole Markdown table, by name."""
    heads = f"| {' | '.join(words.heads)} |\n|{' --- |' * len(words.heads)}"
    return "\n".join([heads, *(line(name, table[name], words) for name in sorted(table))])


def renewed(page: str, body: str) -> str:
    """The page with the part between its two marks replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{body}\n\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a page is out of step")
    check = parser.parse_args().check
    table = parse_table(yaml.safe_load(TABLE.read_text("utf-8")))
    stale: list[str] = []
    for name, words in PAGES.items():
        path = ROOT / "docs" / name
        page = path.read_text("utf-8")
        fresh = renewed(page, markdown(table, words))
        if fresh != page:
            stale.append(name)
            if not check:
                path.write_text(fresh, "utf-8")
    if check and stale:
        print(f"out of step: {', '.join(stale)}; run python scripts/provider_docs.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
