#!/usr/bin/env bash
# Makes sure that a C compiler is installed: a clock that can be set wrong is a small library of the tests' own.
set -euo pipefail

if command -v cc >/dev/null && echo '#include <stdlib.h>' | cc -x c -fsyntax-only - 2>/dev/null; then
    exit 0
fi
exec "$(dirname "$0")/debian_package.sh" build-essential "a C compiler"
