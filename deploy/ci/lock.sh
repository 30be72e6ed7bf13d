#!/usr/bin/env bash
# Writes requirements/*.lock from pyproject.toml: every package with its hashes, for every Python from
# 3.11 on, and no address. Pins that still fit stay; `deploy/ci/lock.sh --upgrade` takes newer ones.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=${VENV:-.venv}

compile() { # FILE ARGUMENT...
    local file=requirements/$1
    shift
    "$venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate "$@" --output-file "$file"
    sed -i '1i # Made by `make lock` from pyproject.toml. Do not edit.' "$file"
    echo "$file: $(grep -c '^[A-Za-z]' "$file") packages"
}

compile dev.lock pyproject.toml --extra local --group dev "$@"
# The others are parts of the first, so that one environment can stand in for another.
compile local.lock pyproject.toml --extra local --constraint requirements/dev.lock
compile run.lock pyproject.toml --constraint requirements/dev.lock
compile bootstrap.lock --group bootstrap --constraint requirements/dev.lock "$@"
compile rivals.lock --group rivals "$@"
