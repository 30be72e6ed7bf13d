"""Sellers by keyed names, wherever they leave the casebook. Pure.

A keyed name is the same for the same name of a seller, so that who holds the key can follow one from listing
to listing and say later whom it means; without the key nobody can try names, as they could with a plain hash.
Which platform an account is on stands beside it and is not part of it.

Sources: NIST SP 800-188, section on keyed hashes of identifiers; ENISA, "Pseudonymisation techniques and best
practices" (2019), section on message authentication codes.
"""

import re
from collections.abc import Iterable, Mapping

from streams.privacy.keys import PrivacyKeys
from streams.privacy.marks import same

FORM = re.compile(r"hmac-sha256:([0-9a-f]{16}):[0-9a-f]{64}")
"""A keyed name; its first group is the name of the key."""
PURPOSE = "sellers"


def keyed_names(keys: PrivacyKeys, name: str) -> tuple[str, ...]:
    """A seller's handle or account id as keyed names, under every key, the newest first."""
    return keys.keyed(PURPOSE, "seller", same(name))


def keyed_name(keys: PrivacyKeys, name: str) -> str:
    """As it is written today: under the newest key."""
    return keyed_names(keys, name)[0]


def found_in(text: str) -> tuple[str, ...]:
    """The keyed names in a file, each once, in their order."""
    return tuple(dict.fromkeys(one[0] for one in FORM.finditer(text)))


def known_under(keys: PrivacyKeys, names: Iterable[str]) -> Mapping[str, str]:
    """The name that each keyed name stands for, under any of these keys."""
    return {keyed: name for name in names for keyed in keyed_names(keys, name)}
