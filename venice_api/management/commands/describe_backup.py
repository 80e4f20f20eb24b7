"""`describe_backup`: prints JSON about the database for deploy/backup."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from venice_api.ops import backups


class Command(BaseCommand):
    help = "Print what a backup made now contains, and the ids of the keys that it needs, as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(backups.describe(now=timezone.now()), indent=2))
