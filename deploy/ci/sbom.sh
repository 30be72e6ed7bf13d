#!/usr/bin/env bash
# Writes a bill of materials (CycloneDX 1.6, JSON) of what a production image holds: requirements/run.lock. Asks no
# registry. The same lock gives the same file.
#
#   deploy/ci/sbom.sh FILE
set -euo pipefail
file=$(realpath -m "$1")
cd "$(dirname "$0")/../.."
"${VENV:-.venv}/bin/cyclonedx-py" requirements --output-reproducible --pyproject pyproject.toml \
    --spec-version 1.6 --output-file "$file" requirements/run.lock
