#!/usr/bin/env bash
# Everything that must hold before a change lands; `make test` calls it in a ready environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=${VENV:-.venv}
bin=$venv/bin
began=$SECONDS
# The tests start hundreds of processes: each would compile all that it imports anew.
unset PYTHONDONTWRITEBYTECODE

step() {
    echo
    echo "== $1 ($((SECONDS - began)) s)"
}

aside=$(mktemp -d "${TMPDIR:-/tmp}/takin-test-XXXXXX")
declare -A running=()
finish() {
    for part in "${running[@]}"; do kill -- "-$part" 2>/dev/null || true; done
    rm -rf "$aside"
}
trap finish EXIT

# Starts a part beside what comes next, in a process group of its own, so that all of it can be ended.
beside() { # NAME COMMAND...
    setsid "${@:2}" >"$aside/$1" 2>&1 </dev/null &
    running[$1]=$!
}

# Waits for such a part, shows what it said, and fails where it failed.
end_of() { # NAME
    local came=0
    wait "${running[$1]}" || came=$?
    unset "running[$1]"
    step "$1, begun before"
    cat "$aside/$1"
    return "$came"
}

step "lint and format"
"$bin/ruff" check .
"$bin/ruff" format --check .
beside "types" "$bin/mypy"
step "a PostgreSQL server, an IMAP server, a C compiler, Chromium, an AT Protocol network, the Kafka jars and their class cache"
deploy/ci/postgresql.sh
deploy/ci/dovecot.sh
deploy/ci/compiler.sh
deploy/ci/chromium.sh
deploy/atproto/install.sh
"$bin/python" -m streams.local.class_cache
step "generated files"
"$bin/python" -m schemas.generate --check
"$bin/python" -m deploy.generate --check
end_of "types"
step "tests that need no broker, in two processes"
"$bin/python" -m pytest -n 2 --dist worksteal -m "not long and not kafka and not atproto" --ignore=tests/bench --ignore=tests/browser --durations=10
# Tests on a real Kafka wait more than they compute. What runs beside them gives way to them.
# The browser driver keeps an event loop of its own running, beside which no other test can start one.
beside "pages in a real browser" nice -n 10 "$bin/python" -m pytest tests/browser -m "not long" --durations=5
beside "tests against the built wheel" nice -n 15 deploy/ci/wheel.sh
step "tests on a real Kafka, in two processes with a broker each"
"$bin/python" -m pytest tests/kafka tests/support -n 2 --dist worksteal -m "kafka and not long" --durations=15
end_of "pages in a real browser"
end_of "tests against the built wheel"
step "tests on the AT Protocol's own servers"
"$bin/python" -m pytest tests/atproto -m "not long" --durations=10
echo
echo "takin: all of it held, in $((SECONDS - began)) s"
