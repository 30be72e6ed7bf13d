"""Fixtures that every test may ask for; a server starts only when one does."""

from hypothesis import settings

from tests.support.broker import broker, make_topic, own_broker, prefix
from tests.support.imap import imap
from tests.support.postgres import postgres, postgres_url

# How long one example takes says nothing here: the machine may be busy with a broker beside it.
settings.register_profile("takin", deadline=None)
settings.load_profile("takin")

__all__ = ["broker", "imap", "make_topic", "own_broker", "postgres", "postgres_url", "prefix"]
