#!/usr/bin/env bash
# Installs what a bare Debian machine lacks to build, test and measure everything here; touches nothing that is there.
set -euo pipefail

"$(dirname "$0")/servers.sh"

declare -A package_of=(
  [bash]=bash
  [curl]=curl
  [gcc]=build-essential
  [git]=git
  [go]=golang-go
  [java]=default-jdk-headless
  [javac]=default-jdk-headless
  [make]=make
  [mvn]=maven
  [nginx]=nginx-light
  [node]=nodejs
  [npm]=npm
  [python3]=python3
  [wrk]=wrk
)

missing=()
for command in "${!package_of[@]}"; do
  # Debian keeps nginx where only root looks.
  PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null || missing+=("${package_of[$command]}")
done
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  missing+=(python3-venv)
fi

if ((${#missing[@]} == 0)); then
  echo 'All toolchains are there.'
  exit 0
fi

mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
if ! command -v apt-get >/dev/null; then
  echo "Install these first (there is no apt-get here to do it): ${missing[*]}" >&2
  exit 1
fi
as_root=()
if ((EUID != 0)); then
  as_root=(sudo)
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
"${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
