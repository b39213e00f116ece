#!/usr/bin/env bash
# Installs the servers that tests start for themselves: PostgreSQL 15 or newer, Redis or Valkey, and the tools that
# break them; touches nothing that is there, and starts no service. Says what is missing where it cannot install it.
set -euo pipefail

has_postgres() {
  local initdb
  for initdb in /usr/lib/postgresql/*/bin/initdb "$(command -v initdb || true)"; do
    [[ -x $initdb ]] && (($("$initdb" --version | grep -o '[0-9]*' | head -1) >= 15)) && return 0
  done
  return 1
}

look() {
  missing=()
  has_postgres || missing+=(postgresql)
  command -v psql >/dev/null || missing+=(postgresql-client)
  command -v redis-server >/dev/null || command -v valkey-server >/dev/null || missing+=(redis-server)
  command -v faketime >/dev/null || missing+=(faketime)
  command -v strace >/dev/null || missing+=(strace)
}

look
((${#missing[@]})) || exit 0

# Tests run side by side: one installs, the others wait and find everything there.
exec 9>"${TMPDIR:-/tmp}/unigate-servers.lock"
flock 9
look
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
  echo "Install these first: ${missing[*]}" >&2
  exit 1
fi

# Debian starts each server on installation, and makes a cluster of PostgreSQL's; the tests want only the programs.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod +x "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
echo "Installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q >&2
"${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
