"""Every test in this folder talks to real servers of the AT Protocol and is marked so."""

from pathlib import Path

import pytest

from tests.support.atproto import atproto

__all__ = ["atproto"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder: ``pytest -m atproto`` runs them."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.atproto)
