#!/usr/bin/env python
"""Django's command line for the Instagram feed service."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from foundation.statements import limited_to

    with limited_to(None):  # no statement timeout: commands may take as long as they need
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
