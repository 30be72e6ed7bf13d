#!/usr/bin/env bash
# Builds the wheel, installs it alone into an environment of its own, and runs tests against it from a
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
"$venv/bin/uv" venv --quiet --python "$venv/bin/python" "$place/venv"
"$venv/bin/uv" pip install --quiet --python "$place/venv/bin/python" --require-hashes --requirement requirements/dev.lock
"$venv/bin/uv" pip install --quiet --python "$place/venv/bin/python" --no-deps --offline "$place"/takin-*.whl

cp -r tests pyproject.toml "$place/"
cd "$place"
unset PYTHONPATH VIRTUAL_ENV
python=$place/venv/bin/python
for package in schemas connectors streams; do
    "$python" -c "
import pathlib, sys, $package
home = pathlib.Path($package.__file__).resolve()
assert home.is_relative_to(pathlib.Path(sys.prefix).resolve()), f'$package comes from {home}, not from the wheel'
"
done
"$venv/bin/uv" pip check --quiet --python "$python"
"$place/venv/bin/takin" --help >/dev/null
"$python" -m schemas.generate --check

echo "takin: the wheel is installed; its tests:"
# What could be missing from a wheel: files that are read, and modules that are found by name.
"$python" -m pytest -q -n 2 --dist worksteal -p no:cacheprovider -m "not slow and not postgres and not kafka" \
    tests/golden tests/unit/schemas tests/unit/streams tests/contracts/test_packs.py tests/contracts/test_casebook.py
