"""`rotate_embed_token INSTANCE`: replace an instance's embed token. The old one stops working immediately."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from paris_integration import public as paris
from venice_api import embed_tokens
from venice_api.acting import acting_as
from venice_api.instances import rotate_embed_token


class Command(BaseCommand):
    help = "Revoke an instance's embed token and print the new one as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("instance", metavar="INSTANCE")

    def handle(self, *args: Any, **options: Any) -> None:
        instance_id = options["instance"]
        with acting_as(paris.Actor(None, "rotate_embed_token")):
            version = rotate_embed_token(instance_id)
        if version is None:
            raise CommandError(f"Instance {instance_id!r} does not exist.")
        answer = {"instanceId": instance_id, "embedToken": embed_tokens.issue(instance_id, version)}
        self.stdout.write(json.dumps(answer))
