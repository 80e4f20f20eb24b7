"""Operations for migrations of tables that may have millions of rows while the service runs."""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, migrations, transaction

logger = logging.getLogger(__name__)


class AddIndexBesideWrites(migrations.AddIndex):
    """As AddIndex. On PostgreSQL the table can be written meanwhile, which needs `atomic = False` in the migration.

    A build that was interrupted leaves an index that isn't used. The next run replaces it.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        connection = schema_editor.connection
        if connection.vendor != "postgresql" or connection.in_atomic_block:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(connection.alias, model):
            schema_editor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{self.index.name}"')
            schema_editor.add_index(model, self.index, concurrently=True)


class AddTrigramIndex(migrations.RunPython):
    """On PostgreSQL, an index for `column__icontains`. It isn't part of the model's state.

    It needs the extension pg_trgm, which comes with PostgreSQL and which a database's owner may create. Where it can't
    be created, such searches work, but read the whole table. Use it with `atomic = False`.
    """

    def __init__(self, model: str, column: str, name: str) -> None:
        super().__init__(self._add, self._remove)
        self.model, self.column, self.name = model, column, name

    def deconstruct(self) -> Any:
        return type(self).__name__, [self.model, self.column, self.name], {}

    def describe(self) -> str:
        return f"Add the index {self.name} for parts of {self.column}"

    def _add(self, apps: Any, schema_editor: Any) -> None:
        connection = schema_editor.connection
        if connection.vendor != "postgresql":
            return
        try:
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except DatabaseError as error:
            logger.warning("%s left out, as pg_trgm can't be created: %s", self.name, error)
            return
        beside = "" if connection.in_atomic_block else "CONCURRENTLY"
        table = apps.get_model(self.model)._meta.db_table
        schema_editor.execute(f'DROP INDEX {beside} IF EXISTS "{self.name}"')
        # `icontains` compares without case, by UPPER.
        schema_editor.execute(
            f'CREATE INDEX {beside} "{self.name}" ON "{table}" '
            f'USING gin (UPPER("{self.column}"::text) gin_trgm_ops)'
        )

    def _remove(self, apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f'DROP INDEX IF EXISTS "{self.name}"')
