"""`create_workspace NAME --plan KEY [--editor USERNAME --password PW]`: JSON on stdout."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from entitlements.management.lookups import plan_or_error
from entitlements.models import Membership, Workspace


class Command(BaseCommand):
    help = "Create a workspace, with an editor if one is named, and print it as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--plan", required=True, metavar="KEY")
        parser.add_argument("--editor", metavar="USERNAME")
        parser.add_argument("--password", metavar="PW", help="needed for an editor who is new")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"].strip()
        if not 0 < len(name) <= 200:
            raise CommandError("NAME: must have 1 to 200 characters.")
        workspace = Workspace.objects.create(name=name, plan=plan_or_error(options["plan"]))
        editor = options["editor"]
        if editor:
            user = _editor(editor, options["password"])
            Membership.objects.create(workspace=workspace, user=user, role=Membership.Role.EDITOR)
        answer = {"workspaceId": str(workspace.pk), "plan": workspace.plan.key, "editor": editor}
        self.stdout.write(json.dumps(answer))


def _editor(username: str, password: str | None) -> User:
    """The named user; a new one gets the password, an existing one only when a password is given."""
    user = User.objects.filter(username=username).first()
    if user is None:
        if not password:
            raise CommandError(f"--password: needed, as there is no user {username!r} yet.")
        return User.objects.create_user(username, password=password)
    if password:
        user.set_password(password)
        user.save(update_fields=["password"])
    return user
