#!/bin/sh
# Makes the virtual environment and installs locked dependencies: `setup.sh run` or `setup.sh dev`.
# Does nothing when what is there is already what the lock asks for.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-run}
python=${PYTHON:-python3}
lock=requirements/base.txt
[ "$kind" = dev ] && lock=requirements/dev.txt

say() { printf '%s\n' "$*" >&2; }

command -v "$python" >/dev/null || { say "Python 3.11 or newer is needed, and '$python' is not here; install it, or say PYTHON=/path/to/python3."; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Python 3.11 or newer is needed; '$python' is $("$python" -V). Say PYTHON=/path/to/a/newer/python3."; exit 1; }
if [ ! -x .venv/bin/python ]; then
    "$python" -c 'import ensurepip' 2>/dev/null || {
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "This Python cannot make virtual environments: its ensurepip is missing. On Debian and Ubuntu: apt-get install python$version-venv"
        exit 1; }
    say "Making the virtual environment .venv ..."
    "$python" -m venv .venv
fi

stamp=.venv/.installed-$kind
if [ ! -f "$stamp" ] || ! cmp -s "$lock" "$stamp"; then
    say "Installing $(grep -c '^[a-z]' "$lock") packages from $lock, each checked against its hash ..."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    cp "$lock" "$stamp"
    say "Installed."
fi
