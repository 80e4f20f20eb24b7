"""`check_restore FILE [--before]`: whether a backup works with the configured keys. Prints JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from venice_api.ops import backups


class Command(BaseCommand):
    help = (
        "Check that the configured keys open every secret of a restored backup, and print how many as JSON. With "
        "--before: check before the restore that the keys are there. Names the missing keys by their ids."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("facts", metavar="FILE", help="backup.json of the backup, or - for stdin")
        parser.add_argument("--before", action="store_true", help="don't look into the database")
        parser.add_argument(
            "--empty-cache", action="store_true", help="also delete what Redis holds of this deployment"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["facts"]
        facts = json.loads(sys.stdin.read() if name == "-" else Path(name).read_text())
        if facts["format"] != backups.FORMAT:
            raise CommandError(f"{name}: format {facts['format']} is not known to this release.")
        said = backups.missing_keys(facts)
        answer: dict[str, Any] = {"madeAt": facts["madeAt"]}
        if not options["before"]:
            answer["opened"], closed = backups.check_secrets()
            said += closed
        if options["empty_cache"]:
            answer["forgotten"] = backups.empty_cache()
        self.stdout.write(json.dumps(answer))
        if said:
            raise CommandError("\n".join(said))
