#!/bin/sh
# Resolves the dependencies anew and writes them down with their hashes; run after changing pyproject.toml or *.in.
set -eu
cd "$(dirname "$0")/.."
for name in base dev node sdks frameworks; do
    .venv/bin/uv pip compile --universal --generate-hashes --no-annotate --no-emit-index-url --quiet \
        --python-version 3.11 --custom-compile-command "make lock" "requirements/$name.in" -o "requirements/$name.txt"
done
for folder in tests/sdks tests/frameworks tests/agents; do
    (cd "$folder" && npm install --package-lock-only --ignore-scripts --no-audit --no-fund)
done
