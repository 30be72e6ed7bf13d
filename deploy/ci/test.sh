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

step "lint and format"
"$bin/ruff" check .
"$bin/ruff" format --check .
step "types"
"$bin/mypy"
step "generated files"
"$bin/python" -m schemas.generate --check
"$bin/python" -m deploy.generate --check
step "a PostgreSQL server, an IMAP server, Chromium, an AT Protocol network, the Kafka jars and their class cache"
deploy/ci/postgresql.sh
deploy/ci/dovecot.sh
deploy/ci/chromium.sh
deploy/atproto/install.sh
"$bin/python" -m streams.local.class_cache
step "tests that need no broker, in two processes"
"$bin/python" -m pytest -n 2 --dist worksteal -m "not long and not kafka and not atproto" --ignore=tests/bench --ignore=tests/browser --durations=10
# The browser driver keeps an event loop of its own running, beside which no other test can start one.
step "pages in a real browser"
"$bin/python" -m pytest tests/browser -m "not long"
step "tests on a real Kafka"
"$bin/python" -m pytest tests/kafka tests/support -m "kafka and not long" --durations=15
step "tests on the AT Protocol's own servers"
"$bin/python" -m pytest tests/atproto -m "not long" --durations=10
step "tests against the built wheel"
deploy/ci/wheel.sh
echo
echo "takin: all of it held, in $((SECONDS - began)) s"
