"""`seed_demo`: migrate, create the demo's rows with the password from DEMO_PASSWORD, and print the widgets as JSON."""

from __future__ import annotations

import json
import os
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from demo import seeds


class Command(BaseCommand):
    help = "Migrate the database, create the demo's workspace, widgets and users, and print them as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        password = os.environ.get("DEMO_PASSWORD", "")
        if not password:
            raise CommandError("DEMO_PASSWORD is not set.")
        call_command(
            "migrate", interactive=False, verbosity=0
        )  # in this process: starting another takes a second
        seeds.seed(password)
        widgets = [
            {"instanceId": row.pk, "name": row.name, "embedToken": token} for row, token in seeds.widgets()
        ]
        self.stdout.write(
            json.dumps({"editor": seeds.EDITOR_NAME, "admin": seeds.ADMIN_NAME, "widgets": widgets})
        )
