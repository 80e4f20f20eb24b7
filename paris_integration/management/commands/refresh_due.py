"""`refresh_due`: does the work of beat and the workers once, in this process. Prints JSON."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from paris_integration.tasks import refresh_due_now


class Command(BaseCommand):
    help = "Refresh every feed that is due, and print the number of feeds per outcome as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(refresh_due_now(now=timezone.now())))
