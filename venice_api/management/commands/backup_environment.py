"""`backup_environment`: prints assignments for the shell of deploy/backup and deploy/restore, with a password."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from venice_api.ops import backups


class Command(BaseCommand):
    help = (
        "Print how PostgreSQL's programs reach the database, for a shell. Contains the database's password."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("Only PostgreSQL is backed up this way. SQLite has `.backup`.")
        self.stdout.write(backups.shell_environment())
