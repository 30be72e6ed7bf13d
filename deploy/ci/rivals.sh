#!/usr/bin/env bash
# Installs what `make bench-systems` compares Takin with (requirements/rivals.lock) into a folder of its own:
# rivals.sh FOLDER. The folder stands behind Takin's own packages on the path, so that every library that both
# need is the one that Takin runs with, and the screening is the same in all of them.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$1
venv=${VENV:-.venv}
[ -e "$folder/.installed" ] && [ ! requirements/rivals.lock -nt "$folder/.installed" ] && exit 0
rm -rf "$folder"
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --target "$folder" --require-hashes \
    --requirement requirements/rivals.lock || {
    echo "takin: quixstreams and bytewax could not be installed (uv's message stands above); without them: make bench-systems ARGS=\"--systems plain,takin,faust\"" >&2
    exit 2
}
touch "$folder/.installed"
