"""The table of provisions that rules rest on; ids are stable, texts may be corrected."""

from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field


class Provision(BaseModel):
    """One provision of law or of a treaty."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    jurisdiction: str
    """``international``, ``EU``, ``US``, ``GB`` …"""
    title: str
    says: str
    """What it forbids or demands, in one sentence; a summary, not legal advice."""
    source: str
    """Where the text can be read."""
    as_of: str


def load_law() -> dict[str, Provision]:
    """The provisions by id.

    Raises:
        ValueError: an id stands twice.
    """
    text = (files("streams.screening") / "reference" / "law.yaml").read_text("utf-8")
    raw: list[dict[str, Any]] = yaml.safe_load(text)
    provisions = [Provision.model_validate(row) for row in raw]
    table = {provision.id: provision for provision in provisions}
    if len(table) != len(provisions):
        raise ValueError("law.yaml: an id stands twice")
    return table
