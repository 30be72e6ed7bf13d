"""After a restore from a backup: learn from Kafka what was done since, and do none of it twice."""
