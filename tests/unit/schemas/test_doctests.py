"""The examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import schemas


def test_examples_in_docstrings_hold() -> None:
    tried = 0
    for module in pkgutil.iter_modules(schemas.__path__, "schemas."):
        result = doctest.testmod(importlib.import_module(module.name))
        tried += result.attempted

        assert result.failed == 0, module.name

    assert tried > 0
