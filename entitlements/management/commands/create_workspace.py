"""`create_workspace NAME --plan KEY [--editor USERNAME --password PW --email ADDRESS]`: prints JSON."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from entitlements.changes import Actor, add_workspace
from entitlements.management.lookups import address_or_error, plan_or_error, text_or_error
from entitlements.models import Membership, Workspace


class Command(BaseCommand):
    help = "Create a workspace, optionally with an editor, and print it as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--plan", required=True, metavar="KEY")
        parser.add_argument("--editor", metavar="USERNAME")
        parser.add_argument(
            "--password",
            metavar="PW",
            help="required for a new editor; an existing editor keeps their password if you omit it",
        )

        parser.add_argument("--email", metavar="ADDRESS", help="the editor's, for mails and new passwords")

    def handle(self, *args: Any, **options: Any) -> None:
        name = text_or_error("NAME", options["name"], at_most=200)
        plan = plan_or_error("--plan", options["plan"])
        editor, password = options["editor"], options["password"]
        if editor is not None:
            editor = User.normalize_username(text_or_error("--editor", editor, at_most=150))
        elif password is not None:
            raise CommandError("--password: requires --editor.")
        elif options["email"] is not None:
            raise CommandError("--email: requires --editor.")
        workspace = Workspace(name=name, plan=plan)
        with transaction.atomic():
            add_workspace(workspace, actor=Actor("command create_workspace"))
            if editor is not None:
                user = _editor(editor, password)
                if options["email"] is not None:
                    user.email = address_or_error("--email", options["email"], username=editor)
                    user.save(update_fields=["email"])
                Membership.objects.create(workspace=workspace, user=user, role=Membership.Role.EDITOR)
        self.stdout.write(json.dumps({"workspaceId": str(workspace.pk), "plan": plan.key, "editor": editor}))


def _editor(username: str, password: str | None) -> User:
    """The named user, created if needed. A password, if given, replaces the existing one."""
    if password == "":
        raise CommandError("--password: must not be empty.")
    user = User.objects.filter(username=username).first()
    if user is None:
        return _new_editor(username, password)
    if password is not None:
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


def _new_editor(username: str, password: str | None) -> User:
    try:
        User(username=username).clean_fields(exclude={"password"})
    except ValidationError as error:
        raise CommandError(f"--editor: {' '.join(error.messages)}") from None
    if password is None:
        raise CommandError(f"--password: required, because user {username!r} doesn't exist yet.")
    return User.objects.create_user(username, password=password)
