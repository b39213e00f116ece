#!/usr/bin/env bash
# Runs the tests that failed last once more, one at a time. At most three: a busy machine turns few red, a fault many.
set -euo pipefail
cd "$(dirname "$0")/.."

most=3
failed=.pytest_cache/v/cache/lastfailed
names() { .venv/bin/python -c 'import json, sys; print(*json.load(open(sys.argv[1])), sep="\n")' "$failed"; }

if [ ! -s "$failed" ] || [ "$(names | wc -l)" -gt "$most" ]; then
  echo "Nothing is run again: either no test failed, or more than $most did." >&2
  exit 1
fi
red=$(names)
.venv/bin/python -m pytest --last-failed --last-failed-no-failures none
printf 'These failed beside other tests and passed alone; whoever has time looks why:\n%s\n' "$red"
