"""Whether the key that a process was given is the one that its casebook was written with."""

from datetime import datetime

from schemas.errors import OperatorError
from streams.notices.casebook import privacy_keys
from streams.notices.casebook.database import Transaction
from streams.privacy.keys import SETTING, PrivacyKeys


def use_keys(tx: Transaction, keys: PrivacyKeys | None, *, now: datetime) -> None:
    """:func:`check_keys`, and from now on the newest is one of those that the casebook needs.

    Whoever erases says so first, so that nobody goes on with another key.

    Raises:
        OperatorError: as there.
    """
    check_keys(tx, keys)
    if keys is not None:
        privacy_keys.use(tx, keys.ids[0], now=now)


def check_keys(tx: Transaction, keys: PrivacyKeys | None) -> None:
    """See that everything which the casebook keeps under a key can be read with these.

    Raises:
        OperatorError: a key is missing, or is another.
    """
    needed = privacy_keys.in_use(tx)
    missing = sorted(needed - set(keys.ids if keys else ()))
    if missing and keys is None:
        raise OperatorError(
            f"The casebook keeps what was written with the privacy key {missing[0]}, and there is none: name "
            f"it with {SETTING}, or put it back as privacy.key into the data folder."
        )
    if missing:
        raise OperatorError(
            f"The casebook keeps what was written with the privacy key {missing[0]}, which {SETTING} does "
            "not name: add it after the new one, with a comma, or put back the right one."
        )
