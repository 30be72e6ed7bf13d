"""What is looked for in a listing's texts, and what reading one brings: names and the words around."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from streams.screening.disguise import Undisguiser
from streams.screening.gate import Anchors
from streams.screening.matching import Found, Hit, Matcher, uncovered
from streams.screening.surroundings import Surroundings, survey
from streams.screening.text import Folded

_NONE: Mapping[str, bool] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything that is looked for, apart from the watchlist; compiled once."""

    names: Matcher
    anchors: Anchors
    """Of the names."""
    context: Matcher
    undisguiser: Undisguiser

    def read(
        self,
        fields: Mapping[str, Folded],
        quiet: Mapping[str, bool] = _NONE,
        worth: Callable[[Mapping[str, list[Found]], Mapping[str, list[Hit]]], bool] | None = None,
    ) -> list[Found]:
        """Names and the words around them, in order; nothing when no field names anything.

        ``quiet`` are the fields that hold no name for sure. ``worth`` is asked of the names and of
        where words around may be, whether anything can come of them; when not, nothing is read either.

        The words around are looked for only then: most listings name nothing.
        """
        named = {
            name: [] if quiet.get(name) else self.names.find(name, folded) for name, folded in fields.items()
        }
        if not any(named.values()):
            return []
        around = {name: self.context.hits(folded.text) for name, folded in fields.items()}
        if worth is not None and not worth(named, around):
            return []
        found: list[Found] = []
        for name, folded in fields.items():
            found += uncovered([*named[name], *self.context.places(name, folded, around[name])])
        return found


class Reading(NamedTuple):
    """What one listing's texts hold."""

    fields: Mapping[str, Folded]
    found: list[Found]
    heading: int
    """Characters of the first field that are the heading."""
    post: bool
    headed: tuple[str, int] | None
    """Field and length of a marketplace listing's heading; ``None`` for a post."""

    def survey(self, *, priced: bool) -> Surroundings:
        """The text as a whole; ``priced``: the listing has a price of its own."""
        texts = {name: (folded.original, folded.text) for name, folded in self.fields.items()}
        return survey(self.found, texts, priced=priced, heading=self.heading, post=self.post)
