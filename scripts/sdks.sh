#!/bin/sh
# Installs the programs that judge the gateway: `sdks.sh node`, `sdks`, `frameworks` or `agents`.
# Each lands in .cache/judges, from its lock, each package checked against its hash; what is there already is left alone.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-sdks}
home=.cache/judges
folder=$home/$kind
lock=requirements/$kind.txt
package=tests/$kind

say() { printf '%s\n' "$*" >&2; }

[ -f "$lock" ] || [ -f "$package/package.json" ] || { say "There is no '$kind': say node, sdks, frameworks or agents."; exit 2; }
# Node.js comes first: the machine's own may be too old for what the vendors publish.
[ "$kind" = node ] || [ ! -f "$package/package.json" ] || "$0" node

mkdir -p "$home"
exec 9>"$home/$kind.lock"
if command -v flock >/dev/null; then flock 9; fi

stamp=$folder/.stamp
wanted=$(cat "$lock" "$package/package.json" "$package/package-lock.json" "$package/.npmrc" "$0" 2>/dev/null | cksum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi
rm -rf "$folder"
mkdir -p "$folder"

if [ -f "$lock" ]; then
    say "Installing $(grep -c '^[a-z]' "$lock") packages from $lock into $folder ..."
    .venv/bin/uv venv --quiet --python .venv/bin/python "$folder"
    .venv/bin/uv pip install --quiet --python "$folder/bin/python" --require-hashes -r "$lock"
fi
if [ -f "$package/package.json" ]; then
    say "Installing $package/package-lock.json into $folder ..."
    cp "$package/package.json" "$package/package-lock.json" "$package/.npmrc" "$folder"
    # No package may run a program of its own while it is installed, nor fetch one.
    PATH="$PWD/$home/node/bin:$PATH" npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
fi
printf '%s' "$wanted" >"$stamp"
