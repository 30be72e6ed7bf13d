"""Runs migrations on the connection that ``casebook.table_versions.upgrade`` hands over."""

from alembic import context

from streams.notices.casebook.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
