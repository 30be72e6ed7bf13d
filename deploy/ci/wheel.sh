#!/usr/bin/env bash
# Builds the wheel, compares it with the tree, installs it alone into an environment of its own, and runs from a
# copy of tests/ outside the source tree, so that nothing but the wheel can answer an import.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=$(cd "${VENV:-.venv}" && pwd)
place=$(mktemp -d "${TMPDIR:-/tmp}/takin-wheel-XXXXXX")
trap 'rm -rf "$place"' EXIT

"$venv/bin/python" -m hatchling build --target wheel --directory "$place" >"$place/build.log" 2>&1 || {
    cat "$place/build.log" >&2
    exit 1
}
wheel=$(echo "$place"/takin-*.whl)
TAKIN_WHEEL=$wheel "$venv/bin/python" -m pytest -q -p no:cacheprovider tests/test_packaging.py

python=$place/venv/bin/python
install() { # LOCK
    "$venv/bin/uv" pip install --quiet --python "$python" --require-hashes --requirement "requirements/$1.lock"
}
"$venv/bin/uv" venv --quiet --python "$venv/bin/python" "$place/venv"
install run
"$venv/bin/uv" pip install --quiet --python "$python" --no-deps --offline "$wheel"
"$venv/bin/uv" pip check --quiet --python "$python"
cp -r tests pyproject.toml deploy/ci/import_all.py "$place/"
unset PYTHONPATH VIRTUAL_ENV
# With what a production image holds and no more:
(
    cd "$place"
    "$python" -I import_all.py
    venv/bin/takin --help >/dev/null
    "$python" -m schemas.generate --check
)
install dev
cd "$place"
echo "takin: the wheel is installed; its tests:"
# That each file is there is known by now. These read files by the paths of the code, and find modules by name.
"$python" -m pytest -q -n 2 --dist worksteal -p no:cacheprovider -m "not slow and not postgres and not kafka" --durations=5 \
    tests/golden tests/unit/schemas tests/contracts/test_{packs,casebook,retention}.py \
    tests/unit/connectors/{channels/test_letter.py,sandbox/test_scenario_file.py,test_registry.py} \
    tests/unit/streams/desk/test_{board,commands,hostile_text,public_form}.py \
    tests/unit/streams/local/test_{die_with_parent,jar_lock}.py tests/unit/streams/sla/test_{calendar,regimes}.py \
    tests/unit/streams/notices/test_{migrations,wording}.py \
    tests/unit/streams/screening/test_{named_taxa,pack_folder,reference}.py
