"""`wait_for_migrations [--seconds N]`: wait until the database has all migrations of this release."""

from __future__ import annotations

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from foundation import probes

LOOK_EVERY_SECONDS = 2.0


class Command(BaseCommand):
    help = "Wait until all migrations of this release are applied by another process, and print how long that took."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seconds", type=float, default=600, help="give up after so many seconds (600)")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        said = ""
        while fault := _fault():
            if fault != said:
                said = fault
                self.stderr.write(f"Waiting: {fault}.")
            if time.monotonic() - began >= options["seconds"]:
                raise CommandError(f"Gave up after {options['seconds']:g} seconds: {fault}.")
            time.sleep(LOOK_EVERY_SECONDS)
        self.stdout.write(json.dumps({"waitedSeconds": round(time.monotonic() - began, 1)}))


def _fault() -> str | None:
    """Why this release can't start yet. Names no host and no account."""
    try:
        probes.probe_migrations()
    except probes.Failing as failing:
        return str(failing)
    except DatabaseError as error:
        return f"the database can't be read ({type(error).__name__})"
    return None
