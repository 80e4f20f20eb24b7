"""What `make check` asks of the code without running it: no missing migration, and Django's own system checks."""

from __future__ import annotations

import os
import sys

# Checks look at the code, not at a deployment: any key will do.
os.environ.setdefault("SECRET_KEY", "k" * 50)
os.environ.setdefault("TOKEN_ENCRYPTION_KEYS", "A" * 43 + "=")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def main() -> int:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("check", fail_level="WARNING")
    call_command("makemigrations", check=True, dry_run=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
