#!/usr/bin/env bash
# Makes sure that a Chromium is installed for the tests in a browser. CHROMIUM names another program.
set -euo pipefail

if [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null; then
    exit 0
fi

fail() {
    echo "takin: The tests need Chromium, and $1 Install it, or name it in CHROMIUM, and run this again." >&2
    exit 2
}

command -v apt-get >/dev/null || fail "this system has no apt-get to install one with."
as_root=()
if ((EUID)); then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null ||
        fail "this account may not install one (on Debian: apt-get install chromium, as root)."
    as_root=(sudo -n)
fi

echo "takin: installing Chromium from the system's packages"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The fonts are for what listings are written in; without them pages show boxes.
if ! {
    "${as_root[@]}" apt-get update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends chromium fonts-noto-core fonts-wqy-zenhei
} >"$log" 2>&1 </dev/null; then
    tail -20 "$log" >&2
    fail "apt-get could not install one (its last words stand above)."
fi
