"""Fixtures that every test may ask for; a server starts only when one does."""

from tests.support.broker import broker, make_topic, own_broker, prefix
from tests.support.imap import imap
from tests.support.postgres import postgres, postgres_url

__all__ = ["broker", "imap", "make_topic", "own_broker", "postgres", "postgres_url", "prefix"]
