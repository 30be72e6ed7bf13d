#!/usr/bin/env bash
# Makes the virtual environment from the locked requirements: environment.sh LOCK
# LOCK is `local` (what runs) or `dev` (what runs and what tests it). Needs Python 3.11 or newer and
# the package registry; PYTHON names an interpreter, VENV the folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
lock=$1
venv=${VENV:-.venv}
python=${PYTHON:-python3}

fail() {
    echo "takin: $1" >&2
    exit 2
}

command -v "$python" >/dev/null || fail "There is no $python here: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.11"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version 2>&1) is too old: Takin needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "This Python cannot make virtual environments: install its venv package (on Debian: apt-get install python3-venv)"

# An environment whose Python is gone or too old, or whose making was interrupted, is made anew.
if ! "$venv/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ]; then
        fail "$venv exists and is no virtual environment: move it away, or name another folder with VENV=folder"
    fi
    echo "takin: making $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --requirement requirements/bootstrap.lock ||
    fail "The packages could not be installed: is a package registry reachable? (pip's message stands above)"

echo "takin: installing requirements/$lock.lock"
"$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" --require-hashes --requirement "requirements/$lock.lock" ||
    fail "The packages of requirements/$lock.lock could not be installed (uv's message stands above)"
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable . ||
    fail "Takin itself could not be installed into $venv (uv's message stands above)"
