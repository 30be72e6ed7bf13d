"""The CITES taxa that Takin knows by name, and their common names; loaded once, immutable.

A row says at which rank and in which appendix a name is listed, since when that is known and
from where. The list is incomplete and is not legal advice: rows marked ``needs_check`` were
inferred from a higher listing or come from general knowledge.
"""

import csv
import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import get_args

from schemas.detection import Appendix, TaxonRef
from streams.screening.text import fold

_APPENDICES = frozenset(get_args(Appendix))

UNCLEAR = "unclear"
"""Appendix of a taxon of which only some are listed, where the name does not say which; none is claimed."""

IMPORTED = "imported by the operator"
"""Status of rows that the operator brought."""

_COUNTRY = re.compile(r"\b[A-Z][a-z]{3,}\b")


@dataclass(frozen=True, slots=True)
class Taxon:
    """One listed taxon."""

    name: str
    """Scientific name as listed."""
    rank: str
    appendix: str
    """``I``, ``II``, ``III``, several such as ``I/II``, ``none`` when not listed, or :data:`UNCLEAR`."""
    annotation: str
    klass: str
    order: str
    family: str
    needs_check: bool
    source: str
    as_of: str
    annex: str = ""
    """EU annex ``A`` to ``D``; empty when it is not known and must be inferred."""
    licence: str = ""
    status: str = ""
    """What is known of the row's truth: ``treaty text``, ``inferred``, ``unchecked`` or who imported it."""

    def names_excepted_population(self, folded: str) -> bool:
        """True when a folded text names a country whose population the annotation excepts."""
        if "population" not in self.annotation:
            return False
        return any(f" {fold(country).strip()}" in folded for country in _COUNTRY.findall(self.annotation))

    @property
    def basis(self) -> str:
        """Where the listing is known from and as of when."""
        doubt = f"; {self.doubt}" if self.needs_check else ""
        return f"{self.source}, as of {self.as_of}{doubt}"[:512]

    @property
    def doubt(self) -> str:
        """What is not certain of the row, in plain words; empty when nothing is."""
        if not self.needs_check:
            return ""
        if self.status == "inferred":
            return "inferred from a higher listing, to be checked"
        return "nobody has checked this against the Appendices"

    def reference(self, common_name: str | None = None) -> TaxonRef:
        """This taxon as it stands in a detection."""
        appendix = self.appendix if self.appendix in _APPENDICES else None
        return TaxonRef(
            scientific_name=self.name,
            rank=self.rank,
            appendix=appendix,
            common_name=common_name,
            basis=self.basis,
        )


@dataclass(frozen=True, slots=True)
class CommonName:
    """A name people use for a taxon."""

    scientific_name: str
    language: str
    name: str
    source: str


def read_table(name: str) -> Iterator[dict[str, str]]:
    """The rows of a packaged reference table, ``.csv`` or ``.csv.gz``."""
    raw = (files("streams.screening") / "reference" / name).read_bytes()
    if name.endswith(".gz"):
        raw = gzip.decompress(raw)
    return csv.DictReader(io.StringIO(raw.decode("utf-8"), newline=""))


@dataclass(frozen=True)
class Taxa:
    """All listed taxa by scientific name, with their common names."""

    by_name: dict[str, Taxon]
    common_names: tuple[CommonName, ...]
    synonyms: dict[str, str] = field(default_factory=dict)
    """Accepted names by names that were or are also in use."""

    @cached_property
    def higher(self) -> dict[str, Taxon]:
        """Genus, family and order listings by name."""
        return {
            name: taxon for name, taxon in self.by_name.items() if taxon.rank not in ("species", "subspecies")
        }

    @cached_property
    def _above(self) -> dict[str, tuple[str, str]]:
        """Family and order of each genus that has a row or a species with one."""
        return {
            taxon.name.partition(" ")[0]: (taxon.family, taxon.order)
            for taxon in self.by_name.values()
            if taxon.rank in ("genus", "species", "subspecies")
        }

    def find(self, scientific_name: str) -> Taxon | None:
        """The row that says how this name is listed: its own, its accepted name's, or the nearest
        higher one (species of a subspecies, genus, family, order)."""
        name = " ".join(scientific_name.removesuffix(" spp.").split())
        name = self.synonyms.get(name, name)
        words = name.split()
        if not words:
            return None
        genus = self.synonyms.get(words[0], words[0])
        chain = (name, " ".join(words[:2]), genus, *self._above.get(genus, ()))
        return next((self.by_name[one] for one in chain if one in self.by_name), None)


def load_taxa() -> Taxa:
    """Read the packaged tables (about 0.2 s)."""
    by_name = {
        row["scientific_name"]: Taxon(
            name=row["scientific_name"],
            rank=row["rank"],
            appendix=row["appendix"],
            annotation=row["annotation"],
            klass=row["class"],
            order=row["order"],
            family=row["family"],
            needs_check=row["needs_check"] == "yes",
            source=row["source"],
            as_of=row["as_of"],
            annex=row["annex"],
            licence=row["licence"],
            status=row["status"],
        )
        for row in read_table("taxa.csv.gz")
    }
    names = tuple(
        CommonName(row["scientific_name"], row["language"], row["name"], row["source"])
        for table in ("names_public_domain.csv.gz", "names_cc_by_sa.csv.gz")
        for row in read_table(table)
    )
    synonyms = {row["synonym"]: row["scientific_name"] for row in read_table("synonyms.csv")}
    return Taxa(by_name=by_name, common_names=names, synonyms=synonyms)
