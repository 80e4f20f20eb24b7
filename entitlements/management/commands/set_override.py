"""`set_override WORKSPACE KEY VALUE [--until T] [--note TEXT]`: JSON on stdout."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from entitlements.changes import Actor, set_override
from entitlements.keys import parse_value
from entitlements.management.lookups import workspace_or_error


class Command(BaseCommand):
    help = "Give a workspace its own value for an entitlement key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        parser.add_argument("key", metavar="KEY")
        parser.add_argument("value", metavar="VALUE", help="true, false, a whole number, or unlimited")
        parser.add_argument("--until", metavar="T", help="ISO 8601; without an offset it is UTC")
        parser.add_argument("--note", default="", metavar="TEXT")

    def handle(self, *args: Any, **options: Any) -> None:
        workspace = workspace_or_error(options["workspace"])
        ends_at = _moment(options["until"]) if options["until"] else None
        if len(options["note"]) > 500:
            raise CommandError("--note: must have at most 500 characters.")
        try:
            value = parse_value(options["key"], options["value"])
        except ValueError as error:
            raise CommandError(str(error)) from None
        actor = Actor("command set_override")
        set_override(workspace, options["key"], value, actor=actor, ends_at=ends_at, note=options["note"])
        answer = {
            "workspaceId": str(workspace.pk),
            "key": options["key"],
            "value": value,
            "until": ends_at.strftime("%Y-%m-%dT%H:%M:%SZ") if ends_at else None,
            "note": options["note"],
        }
        self.stdout.write(json.dumps(answer))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CommandError(f"--until: {text!r} is not a time such as 2026-12-31T23:00:00Z.") from None
    if moment <= timezone.now():
        raise CommandError("--until: must lie in the future.")
    return moment
