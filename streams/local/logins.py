"""Accounts of the desk for a demonstration: one for each role, and one for each practice platform."""

from datetime import UTC, datetime

from streams.desk import passwords
from streams.local.machine import Machine
from streams.notices.casebook import accounts
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.viewer import ROLES


def make_logins(casebook: Casebook, machine: Machine) -> tuple[str, ...]:
    """Make those that are not there, each with its own random password; a line for each to show.

    The lines are also kept in ``desk-logins.txt`` in the data folder, readable by its owner only.
    """
    platforms = [one.name for one in machine.scenario.platforms] if machine.scenario else []
    wanted = [(role, role, None) for role in ROLES if role != "platform"]
    lines = []
    for login, role, platform in [*wanted, *((name, "platform", name) for name in platforms)]:
        password = passwords.random_password()
        made = casebook.decide(
            accounts.add,
            login=login,
            name=f"{login} (demonstration)",
            role=role,  # type: ignore[arg-type]  # from ROLES
            platform=platform,
            password_hash=passwords.hash_password(password),
            now=datetime.now(UTC),
        )
        if made is not None:
            lines.append(f"{login:<18} {password}")
    if lines:
        file = machine.data_dir.absolute() / "desk-logins.txt"
        file.touch(mode=0o600)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tuple(lines)
