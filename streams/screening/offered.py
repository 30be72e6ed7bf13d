"""Is it offered? Words of sale, of dealing and of news weighed against one another.

A marketplace listing is there to sell; a short post in a social network mostly talks. Words such as
*buy* or *auction* stand in talk about dealing as well, so in a post they count for less.
"""

from collections.abc import Mapping, Sequence

from streams.screening.claims import Answer, Indication
from streams.screening.surroundings import Surroundings

_DESCRIBED = frozenset({"real", "craft", "object", "composite", "antique", "condition"})
"""Words that describe a thing: with a price beside them, a thing that is sold."""


def is_offered(indications: Sequence[Indication], around: Surroundings) -> Answer:
    """How sure it is that the text offers what it names, rather than reports on it or asks for it."""
    words: dict[str, set[str]] = {}
    for one in indications:
        words.setdefault(one.category, set()).add(one.found.terms[0].folded)
    sale, dealing = len(words.get("sale", ())), len(words.get("dealing", ()))
    news = len(words.get("not-news", ())) + len(words.get("not-own", ()))
    talk = len(words.get("not-talk", ()))
    begins = _begins_as_anothers(indications, around)
    if begins or ("not-wanted" in words and not sale):
        return Answer.UNKNOWN if around.post and around.priced and not begins else Answer.NO
    if news or talk:
        # Words of dealing stand in talk about dealing as well; a price or "dm me" hardly.
        balance = sale + 2 * around.priced + (dealing > 0 and (around.title_like or not around.post))
        against = 2 * news + talk if around.post else news
        return _told_or_offered(balance - against, around, against, sale=sale)
    if around.post and not around.title_like and sale + 2 * around.priced < 2:
        return Answer.LIKELY if sale else _is_offered_in_post(words, around)
    if sale or (around.priced and (dealing or not around.post or words.keys() & _DESCRIBED)):
        return Answer.YES
    if around.priced:
        return Answer.LIKELY  # a sum alone is also an entry fee, or what a pattern costs
    return _is_offered_in_post(words, around) if around.post else _is_offered_in_ad(words, around)


_BEGINNING = 3


def _begins_as_anothers(indications: Sequence[Indication], around: Surroundings) -> bool:
    """True when the first words are *wanted* or *saw a*: then the words of sale are somebody else's."""
    return any(
        one.category in ("not-wanted", "not-own")
        and around.in_heading(one.found)
        and one.found.start <= _BEGINNING
        for one in indications
    )


def _is_offered_in_ad(words: Mapping[str, set[str]], around: Surroundings) -> Answer:
    """In an ad without price and words of sale: what stands on a marketplace is usually for sale."""
    if "dealing" in words:
        return Answer.YES
    described = bool(words.keys() & {"condition", "antique"}) or around.sized
    if around.title_like:
        # On a marketplace a heading with measures, and none of the words of a report, is an offer.
        return Answer.YES if around.sized and (described or "trade" in words) else Answer.LIKELY
    if "trade" in words:
        return Answer.LIKELY
    return Answer.UNKNOWN if described else Answer.UNLIKELY


def _is_offered_in_post(words: Mapping[str, set[str]], around: Surroundings) -> Answer:
    """In a post without price and words of sale: an item described as on a label may be on offer."""
    signs = (
        2 * ("dealing" in words)
        + ("trade" in words)
        + around.sized
        + ("condition" in words)
        + ("antique" in words or around.dated)
        + 0.5 * around.linked
        + 0.5 * around.label_like
        + 0.5 * ("craft" in words)
    )
    if not around.title_like:
        return Answer.UNKNOWN if signs >= 3 else Answer.UNLIKELY
    if signs >= 2:
        return Answer.LIKELY
    return Answer.UNKNOWN if signs >= 1.5 else Answer.UNLIKELY


def _told_or_offered(balance: int, around: Surroundings, against: int, *, sale: int) -> Answer:
    """Words of news and words of sale in one text: which of them outweigh."""
    if balance >= 2:
        return Answer.LIKELY
    if balance == 1:
        return Answer.UNKNOWN
    if around.post:
        return Answer.UNKNOWN if balance == 0 and around.title_like and (around.priced or sale) else Answer.NO
    return Answer.UNLIKELY if around.title_like and against == 1 else Answer.NO
