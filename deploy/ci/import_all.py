"""Imports every module of the takin that is installed for this interpreter, and names each that cannot be.

Run it as ``python -I``, so that nothing but what is installed can answer.
"""

import importlib
import sys
from importlib.metadata import files
from pathlib import Path, PurePath

RUN_BY_ALEMBIC = "streams.notices.casebook.migrations.env"
"""No module to import: it needs the migration that it is run for."""


def module_of(file: PurePath) -> str:
    """``streams/desk/__init__.py`` is ``streams.desk``."""
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def failure(module: str) -> str | None:
    """Why a module cannot be imported, or comes from somewhere else; None if all is well."""
    try:
        home = importlib.import_module(module).__file__
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    if home is None or not Path(home).resolve().is_relative_to(Path(sys.prefix).resolve()):
        return f"it comes from {home}, not from the wheel"
    return None


def main() -> None:
    """Import all; exit code 1 if any failed."""
    modules = sorted(module_of(file) for file in files("takin") or () if file.suffix == ".py")
    wanted = [module for module in modules if module != RUN_BY_ALEMBIC]
    failures = {module: why for module in wanted if (why := failure(module))}
    for module, why in failures.items():
        sys.stderr.write(f"takin: {module} of the wheel cannot be imported: {why}\n")
    if failures or not wanted:
        sys.exit(f"takin: {len(failures)} of {len(wanted)} modules of the wheel cannot be imported.")
    sys.stdout.write(f"takin: {len(wanted)} modules of the wheel can be imported\n")


if __name__ == "__main__":
    main()
