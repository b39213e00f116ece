#!/usr/bin/env bash
# Runs a command that runs tests; the few that failed run once more, one at a time, and are named if they pass then.
# A busy machine turns few tests red, a fault many: more than three are run by nobody again, nor is a run that broke.
set -euo pipefail
cd "$(dirname "$0")/.."

most=3
cache=.pytest_cache/v
failed=$cache/cache/lastfailed
status=$cache/unigate/exitstatus
names() { .venv/bin/python -c 'import json, sys; print(*json.load(open(sys.argv[1])), sep="\n")' "$failed"; }

rm -f "$failed" "$status"
"$@" && exit

if [ ! -s "$failed" ] || [ "$(cat "$status" 2>/dev/null)" != 1 ] || [ "$(names | wc -l)" -gt "$most" ]; then
  echo "Nothing is run again: the run broke, or more than $most tests failed." >&2
  exit 1
fi
red=$(names)
again=(.venv/bin/python -m pytest --last-failed --last-failed-no-failures none)
if "${again[@]}" -m hypothesis --collect-only -q >/dev/null; then
  echo "Nothing is run again: a test of made examples failed, which is never the machine's fault." >&2
  exit 1
fi
"${again[@]}"
printf 'These failed beside other tests and passed alone; whoever has time looks why:\n%s\n' "$red"
