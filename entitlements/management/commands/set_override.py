"""`set_override WORKSPACE KEY VALUE [--until T] [--note TEXT]`: prints JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from entitlements.changes import Actor, set_override
from entitlements.keys import UnknownKey, parse_value
from entitlements.management.lookups import text_or_error, workspace_or_error


class Command(BaseCommand):
    help = "Override an entitlement key for a workspace, and print the override as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        parser.add_argument("key", metavar="KEY")
        parser.add_argument("value", metavar="VALUE", help="true, false, a whole number, or unlimited")
        parser.add_argument(
            "--until",
            metavar="T",
            help="ISO 8601 time at which the override ends; UTC without an offset; a date means 00:00",
        )
        parser.add_argument("--note", default="", metavar="TEXT")

    def handle(self, *args: Any, **options: Any) -> None:
        workspace = workspace_or_error("WORKSPACE", options["workspace"])
        key = options["key"]
        try:
            value = parse_value(key, options["value"])
        except UnknownKey as error:
            raise CommandError(f"KEY: {error}") from None
        except ValueError as error:
            raise CommandError(f"VALUE: {error}") from None
        ends_at = None if options["until"] is None else _moment(options["until"])
        note = text_or_error("--note", options["note"], at_least=0, at_most=500)
        set_override(workspace, key, value, actor=Actor("command set_override"), ends_at=ends_at, note=note)
        answer = {
            "workspaceId": str(workspace.pk),
            "key": key,
            "value": value,
            "until": ends_at.strftime("%Y-%m-%dT%H:%M:%SZ") if ends_at else None,
            "note": note,
        }
        self.stdout.write(json.dumps(answer))


def _moment(text: str) -> datetime:
    """The time in UTC and whole seconds, as it is printed and stored. Raises CommandError."""
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = (
            (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
        )
    except (ValueError, OverflowError):
        raise CommandError(f"--until: {text!r} is not a time such as 2026-12-31T23:00:00Z.") from None
    if moment <= timezone.now():
        raise CommandError("--until: must be in the future.")
    return moment
