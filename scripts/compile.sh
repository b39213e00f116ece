#!/bin/sh
# Builds the wheel with its hot path as machine code, and unpacks it into build/compiled; PYTHONPATH=build/compiled runs it.
# Works on a copy, since the compiler leaves its products beside the sources it reads. Does nothing when it is up to date.
set -eu
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python
made=$PWD/build/compiled

say() { printf '%s\n' "$*" >&2; }

sum=$(find src pyproject.toml -name __pycache__ -prune -o -type f -print | LC_ALL=C sort | xargs cat | cksum)
if [ -f "$made/.made-of" ] && [ "$(cat "$made/.made-of")" = "$sum" ]; then exit 0; fi
command -v "${CC:-cc}" >/dev/null || {
    say "A C compiler is needed to compile the hot path. On Debian and Ubuntu: apt-get install gcc python3-dev"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say "Compiling the hot path; this takes about two minutes ..."
cp -R src pyproject.toml README.md LICENSE "$work"
cd "$work"
HATCH_BUILD_HOOKS_ENABLE=1 "$python" -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps --wheel-dir wheel .
rm -rf "$made"
mkdir -p "$made"
"$python" -m zipfile -e wheel/*.whl "$made"
printf '%s' "$sum" >"$made/.made-of"
say "Compiled into build/compiled."
