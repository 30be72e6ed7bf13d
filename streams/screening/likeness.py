"""Things that only show an animal, or are named after it: told by where words stand, not by which animal.

A metal that is no mount makes a piece of jewelry itself: a *pewter bear claw*, a *sterling silver turtle
charm*, but not a *bear claw mounted in silver*. A material right before the name makes a figure of a
*ceramic leopard with cub*. Who says *embossed crocodile* anywhere means the look.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from streams.screening.claims import Claim, gap
from streams.screening.lexicon import Animal, Cue
from streams.screening.matching import CUE, Found
from streams.screening.surroundings import Surroundings

_CAST = frozenset(
    {
        "skull",
        "jaw",
        "tooth",
        "claw",
        "tooth or claw",
        "paw",
        "foot",
        "bone",
        "horn",
        "tusk",
        "casque",
        "feather",
    }
)
"""Parts whose shape is cast in metal; gold and silver beside leather and fur are colours."""
_SAID_REAL = frozenset({"real", "antique", "recent", "not-fossil", "permit", "no-papers"})
"""Beside such words a metal is a mount, also where that is not said."""
_FORMED = frozenset({"jewelry", "object"})

_MOUNT_AFTER = 10
"""Folded characters from a metal to what is only fitted: *silver foliate mount*."""
_MOUNT_BEFORE = 8
"""And from the words *mounted in* to the metal: *mounted in solid gold*."""
_RIGHT_BESIDE = 1
_BEFORE_THE_NAME = 14
"""From a metal to the name that it describes: *brass and enamel tiger claw*."""

_LOOKS = ("emboss", "print", "effect", "pattern", "textur", "grain", "mock", "faux", "style", "look")


def _cued(found: Iterable[Found], categories: AbstractSet[str]) -> Iterator[Found]:
    return (
        one
        for one in found
        if one.roles & CUE
        and any(isinstance(term.meaning, Cue) and term.meaning.category in categories for term in one.terms)
    )


def _is_mount(metal: Found, fittings: Iterable[Found]) -> bool:
    return any(
        one.field == metal.field
        and (
            gap(one, metal) < 0
            or 0 <= one.start - metal.end <= _MOUNT_AFTER
            or 0 <= metal.start - one.end <= _MOUNT_BEFORE
        )
        for one in fittings
    )


def metal_of(claim: Claim, having: AbstractSet[str], around: Surroundings) -> Found | None:
    """The metal that a piece in the shape of the claimed part is made of; ``having``: what else is said."""
    if claim.product not in (*_CAST, "carrier") or "real" in having:
        return None
    first = min(claim.named_by, key=lambda one: one.start)
    fittings = list(_cued(around.found, {"fitting"}))
    formed = any(category in _FORMED and around.in_heading(one) for category, one in around.cues)
    precious = not (having & _SAID_REAL or around.dated)
    for category in ("base-metal", *(["metal"] if precious else [])):
        for metal in _cued(around.found, {category}):
            before = metal.field == first.field and 0 <= first.start - metal.end <= _BEFORE_THE_NAME
            if claim.product == "carrier":  # a gold python clutch is golden, a 14k gold one is of gold
                shaped = before and (category == "base-metal" or " " in metal.terms[0].folded.strip())
            else:
                shaped = before or (formed and around.in_heading(metal))
            if shaped and not _is_mount(metal, fittings):
                return metal
    return None


def fired_of(claim: Claim, having: AbstractSet[str], around: Surroundings) -> Found | None:
    """A material in the heading that no part of an animal is ever fitted with, such as porcelain."""
    if claim.product not in _CAST or "real" in having:
        return None
    fittings = list(_cued(around.found, {"fitting"}))
    return next(
        (
            one
            for one in _cued(around.found, {"fired"})
            if around.in_heading(one) and not _is_mount(one, fittings)
        ),
        None,
    )


_WORN = frozenset({"ring", "rings", "charm", "charms", "stud", "studs", "earring", "earrings", "cufflinks"})
_TOO_LARGE = frozenset({"skull", "jaw", "taxidermy"})
_AFTER_THE_PART = 14


def worn_of(claim: Claim, having: AbstractSet[str], around: Surroundings) -> Found | None:
    """The ring or charm after a part that no ring can hold: a *lion skull biker ring* shows a skull."""
    if claim.product not in _TOO_LARGE or "real" in having:
        return None
    part = claim.named_by[-1]
    return next(
        (
            one
            for one in around.found
            if one.field == part.field
            and 0 <= one.start - part.end <= _AFTER_THE_PART
            and any(term.folded.strip() in _WORN for term in one.terms)
        ),
        None,
    )


_SURELY_KEPT = 4
"""Different words of life and keeping that no figure has: *pair* and *perch* are said of china too."""


def figure_of(claim: Claim, around: Surroundings) -> Found | None:
    """The material right before the name of an animal of whose life little more than *pair* is told."""
    if claim.kind != "live" or around.live_words + around.kept_words >= _SURELY_KEPT:
        return None
    if claim.traded and claim.klass not in ("mammal", "bird"):
        return None  # pewter, marble and crystal are morphs of pythons
    name = claim.named_by[0]
    return next(
        (
            one
            for one in _cued(around.found, {"not-material", "not-depiction", "not-imitation"})
            if one.field == name.field and 0 <= name.start - one.end <= _RIGHT_BESIDE
        ),
        None,
    )


def look_of(claim: Claim, having: AbstractSet[str], around: Surroundings) -> Found | None:
    """Where the text says that the same animal is only a pattern of the leather or fur, or a print on it."""
    if claim.product not in ("leather", "fur", "skin", "carrier") or "real" in having:
        return None
    names = {one.terms[0].folded.strip().split()[0] for one in claim.named_by}
    for one in _cued(around.found, {"not-other-meaning", "not-imitation"}):
        words = one.terms[0].folded
        if not any(look in words for look in _LOOKS):
            continue
        if any(f" {name}" in words for name in names):
            return one
        beside = (
            other
            for other in around.found
            if other is not one and other.field == one.field and 0 <= gap(one, other) <= _RIGHT_BESIDE
        )
        if any(
            isinstance(term.meaning, Animal) and term.meaning.group == claim.group
            for other in beside
            for term in other.terms
        ):
            return one
    return None
