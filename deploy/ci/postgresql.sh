#!/usr/bin/env bash
# Makes sure that a PostgreSQL server is installed; the tests start and stop their own cluster.
set -euo pipefail

shopt -s nullglob
found=(/usr/lib/postgresql/*/bin/initdb)
if ((${#found[@]})) || command -v initdb >/dev/null; then
    exit 0
fi
exec "$(dirname "$0")/debian_package.sh" postgresql "a PostgreSQL server"
