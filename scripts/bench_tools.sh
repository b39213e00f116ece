#!/bin/sh
# Installs the tools that `make bench` needs and this machine lacks (Debian and its kin).
set -eu

missing=""
command -v nginx >/dev/null || missing="$missing nginx-light"
command -v wrk >/dev/null || missing="$missing wrk"
command -v openssl >/dev/null || missing="$missing openssl"
command -v taskset >/dev/null || missing="$missing util-linux"
[ -n "$missing" ] || exit 0

# Debian starts a service for nginx on installation; the benchmark wants only the program.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update
# shellcheck disable=SC2086  # one word for each package
apt-get install -y --no-install-recommends $missing
