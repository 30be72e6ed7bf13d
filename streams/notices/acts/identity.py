"""Which person a name means, where an act takes two of them: the account of the desk that bears it.

At the desk somebody has signed in. A command line proves nobody: whoever may run it can give any account's
name (`deploy/threat-model.md`). What is held here is that two spellings, or a name and the login of one
account, are not taken for two people.
"""

from dataclasses import dataclass

from streams.notices.acts.people import ActRefused, person_named, who
from streams.notices.casebook import accounts
from streams.notices.casebook.database import Transaction


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts."""

    name: str
    """As it stands on record: the account's login; the name as given where the casebook has no accounts."""
    keys: frozenset[str]
    """What their names come to, see :func:`streams.notices.acts.people.who`."""

    def is_named(self, name: str) -> bool:
        """Whether a name on record is theirs."""
        return who(name) in self.keys


def one_person(tx: Transaction, name: str) -> Person:
    """Whom a name means: one account of ours that is in use, by its login or else by its name, in any case
    and with any spaces. Where the casebook has no such account, every name is a person.

    Raises:
        ActRefused: ``no_name``; ``unknown_person``: it is no account's name; ``two_people``: it is the name
            of several.
    """
    given, key = person_named(name), who(name)
    ours = [one for one in accounts.every(tx) if one.role != "platform"]
    if not ours:
        return Person(given, frozenset({key}))
    active = [one for one in ours if one.state == "active"]
    by_login = [one for one in active if who(one.login) == key]
    found = by_login or [one for one in active if who(one.name) == key]
    if len(found) > 1:
        raise ActRefused(
            "two_people", f"{len(found)} accounts bear the name {given}: give the login of the one who acts."
        )
    if not found:
        raise ActRefused(
            "unknown_person",
            f"Two people are needed, each by an account in use, and {given} names none of ours.",
            command="Give a login that `takin accounts list` shows as active.",
        )
    [one] = found
    others = {who(name) for two in ours if two.account_id != one.account_id for name in (two.login, two.name)}
    return Person(one.login, frozenset({who(one.login)} | ({who(one.name)} - others)))
