"""Real servers for tests: a Kafka broker and a PostgreSQL, started when first used."""
