"""Part of `make check`: system checks, no missing migrations, and an up-to-date OpenAPI schema."""

from __future__ import annotations

import os
import sys
from io import StringIO
from pathlib import Path

KEPT_SCHEMA = Path("docs/openapi.json")

# The checks don't depend on the keys, so any will do.
os.environ.setdefault("SECRET_KEY", "k" * 50)
os.environ.setdefault("TOKEN_ENCRYPTION_KEYS", "A" * 43 + "=")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def main() -> int:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("check", fail_level="WARNING")
    call_command("makemigrations", check=True, dry_run=True)
    generated = StringIO()
    call_command("spectacular", format="openapi-json", validate=True, fail_on_warn=True, stdout=generated)
    if generated.getvalue().strip() != KEPT_SCHEMA.read_text().strip():
        print(f"{KEPT_SCHEMA} is out of date: run `make schema` and review the difference.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
