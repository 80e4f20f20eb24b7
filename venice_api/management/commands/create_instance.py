"""`create_instance`: create a widget and print it as JSON."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from entitlements.models import Workspace
from paris_integration import public as paris
from venice_api import embed_tokens
from venice_api.acting import acting_as
from venice_api.models import WidgetInstance
from venice_api.values import InvalidInput, parse_filter, parse_max_posts


class Command(BaseCommand):
    help = "Create a widget instance and print its id and embed token as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", required=True, metavar="ID")
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--profile", metavar="USERNAME")
        source.add_argument("--hashtag", metavar="TAG")
        parser.add_argument("--max-posts", default="12", metavar="N")
        parser.add_argument("--filter", default="all", metavar="F", help="all, image or video")
        parser.add_argument("--hide", nargs="+", action="extend", default=[], metavar="ID")
        parser.add_argument("--allowed-origin", nargs="+", action="extend", default=[], metavar="O")
        parser.add_argument("--name", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        instance = WidgetInstance(
            workspace=_workspace(options["workspace"]),
            name=options["name"],
            source_type="profile" if options["profile"] is not None else "hashtag",
            source_value=options["profile"] if options["profile"] is not None else options["hashtag"],
            hidden_post_ids=options["hide"],
            allowed_origins=options["allowed_origin"],
        )
        try:
            instance.max_posts = parse_max_posts(options["max_posts"])
            kind = parse_filter(options["filter"])
            instance.filter_type = kind.value if kind else "all"
            instance.full_clean()
        except InvalidInput as error:
            raise CommandError(f"{error.field}: {error.message}") from None
        except ValidationError as error:
            problems = (f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
            raise CommandError("; ".join(problems)) from None
        with acting_as(paris.Actor(None, "create_instance")):
            instance.save()
        answer = {
            "instanceId": instance.pk,
            "workspaceId": str(instance.workspace_id),
            "embedToken": embed_tokens.issue(instance.pk, instance.token_version),
            "source": {"type": instance.source_type, "value": instance.source_value},
        }
        self.stdout.write(json.dumps(answer))


def _workspace(text: str) -> Workspace:
    try:
        return Workspace.objects.get(pk=UUID(text))
    except (ValueError, Workspace.DoesNotExist):
        raise CommandError(f"--workspace: workspace {text!r} does not exist.") from None
