from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from paris_integration.public import rotate_encryption_keys


class Command(BaseCommand):
    help = (
        "Bring every stored token under the first of TOKEN_ENCRYPTION_KEYS, and print what was done as JSON. May be "
        "interrupted and run again at any time, beside a live service. Once left is 0, the old keys may go."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        report = rotate_encryption_keys()
        answer = {"rotated": report.rotated, "unreadable": report.unreadable, "left": report.left}
        self.stdout.write(json.dumps(answer))
