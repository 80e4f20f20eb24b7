from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from paris_integration.public import rotate_encryption_keys


class Command(BaseCommand):
    help = (
        "Re-encrypt every stored token with the first of TOKEN_ENCRYPTION_KEYS, and print a report as JSON. You can "
        "interrupt and repeat it at any time while the service runs. When left is 0, you can remove the old keys."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        report = rotate_encryption_keys()
        answer = {"rotated": report.rotated, "unreadable": report.unreadable, "left": report.left}
        self.stdout.write(json.dumps(answer))
