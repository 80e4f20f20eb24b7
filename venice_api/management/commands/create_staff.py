"""`create_staff USERNAME [--email ADDRESS] [--role NAME…] [--superuser] [--password PW]`: prints JSON."""

from __future__ import annotations

import json
import secrets
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from entitlements.management.lookups import address_or_error, text_or_error


class Command(BaseCommand):
    help = (
        "Create a staff account, or make an existing account staff, and print it as JSON. "
        "A new account without --password gets a random one, which is printed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", metavar="USERNAME")
        parser.add_argument("--email", metavar="ADDRESS")
        parser.add_argument("--role", nargs="+", action="extend", default=[], metavar="NAME")
        parser.add_argument("--superuser", action="store_true", help="may do everything")
        parser.add_argument("--password", metavar="PW")

    def handle(self, *args: Any, **options: Any) -> None:
        username = User.normalize_username(text_or_error("USERNAME", options["username"], at_most=150))
        roles = [_role(name) for name in options["role"]]
        if options["password"] == "":
            raise CommandError("--password: must not be empty.")
        with transaction.atomic():
            user = User.objects.filter(username=username).first() or _new(username)
            email = options["email"]
            if email is not None:
                user.email = address_or_error("--email", email, username=username)
            printed: dict[str, str] = {}
            if options["password"] is not None:
                user.set_password(options["password"])
            elif user.pk is None:
                printed["password"] = secrets.token_urlsafe(12)
                user.set_password(printed["password"])
            user.is_staff = True
            user.is_superuser = user.is_superuser or options["superuser"]
            user.save()
            user.groups.add(*roles)
        answer = {
            "username": user.username,
            "email": user.email,
            "roles": sorted(user.groups.values_list("name", flat=True)),
            "superuser": user.is_superuser,
            **printed,
        }
        self.stdout.write(json.dumps(answer))


def _role(name: str) -> Group:
    group = Group.objects.filter(name=name).first()
    if group is None:
        known = ", ".join(Group.objects.order_by("name").values_list("name", flat=True))
        raise CommandError(f"--role: there is no role {name!r}. Roles: {known}.")
    return group


def _new(username: str) -> User:
    user = User(username=username)
    try:
        user.clean_fields(exclude={"password"})
    except ValidationError as error:
        raise CommandError(f"USERNAME: {' '.join(error.messages)}") from None
    return user
