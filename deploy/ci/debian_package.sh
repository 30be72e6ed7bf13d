#!/usr/bin/env bash
# Installs a Debian package that the tests need: debian_package.sh PACKAGE WHAT
set -euo pipefail
package=$1 what=$2

fail() {
    echo "takin: The tests need $what, and $1 Install it and run make test again." >&2
    exit 2
}

command -v apt-get >/dev/null || fail "this system has no apt-get to install one with."
as_root=()
if ((EUID)); then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null ||
        fail "this account may not install one (on Debian: apt-get install $package, as root)."
    as_root=(sudo -n)
fi

echo "takin: installing $what from the system's packages"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package may start a server of its own, which nobody here uses.
if ! {
    "${as_root[@]}" apt-get update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "$package"
} >"$log" 2>&1 </dev/null; then
    tail -20 "$log" >&2
    fail "apt-get could not install one (its last words stand above)."
fi
