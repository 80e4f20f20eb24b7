"""A person's email address: `User.email`, and django-allauth's row about it."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.signals import pre_save


@transaction.atomic
def trust_current(user: User) -> None:
    """Count the person's current address as confirmed.

    Staff, a command or an accepted invitation has set it. django-allauth drops an address that isn't confirmed as soon
    as another one is asked for.
    """
    if not user.email:
        return
    if EmailAddress.objects.filter(email=user.email, verified=True).exists():
        return
    EmailAddress.objects.filter(user=user, primary=True).exclude(email=user.email).update(primary=False)
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )


def _lower(instance: User, **_: object) -> None:
    instance.email = instance.email.lower()


def connect() -> None:
    """Keep addresses in lower case: people sign in with them, in whatever case."""
    pre_save.connect(_lower, sender=User, dispatch_uid="lower_case_address")
