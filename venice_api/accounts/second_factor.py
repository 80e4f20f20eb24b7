"""Two-step sign-in: whom it is required of, its secrets under new keys, and its removal by support."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from outbox import sending
from paris_integration import public as paris
from venice_api.accounts.adapters import SEAL

SEALED = ("secret", "seed")  # the encrypted values in an authenticator's data


class StaffSecondFactorMiddleware:
    """With STAFF_MFA=required, the admin opens only for people who signed in with a second factor."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return _missing_step(request) or self.get_response(request)


def _missing_step(request: HttpRequest) -> HttpResponse | None:
    index = reverse("admin:index")
    open_pages = {reverse("admin:login"), reverse("admin:logout")}
    if settings.STAFF_MFA != "required" or not request.path.startswith(index) or request.path in open_pages:
        return None
    user = request.user
    if not isinstance(user, User) or not user.is_staff:
        return None
    if not Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():
        messages.info(
            request, "Staff need two-step sign-in for the support desk. Set it up here, then go on."
        )
        return HttpResponseRedirect(reverse("mfa_activate_totp"))
    if any(record["method"] == "mfa" for record in get_authentication_records(request, user)):
        return None
    return HttpResponseRedirect(
        f"{reverse('mfa_reauthenticate')}?{urlencode({'next': request.get_full_path()})}"
    )


def note_setup(request: HttpRequest, user: User) -> None:
    """Whoever set up the factor in this session has just proved to have it."""
    record_authentication(request, user, "mfa", type=Authenticator.Type.TOTP.value)


def rotate_secrets() -> paris.RotationReport:
    """Encrypt the secrets of all factors with the first key."""
    rotated = unreadable = left = 0
    for pk in list(Authenticator.objects.values_list("pk", flat=True)):
        with transaction.atomic():
            row = Authenticator.objects.select_for_update().filter(pk=pk).first()
            if row is None:
                continue
            try:
                stale = [
                    name
                    for name in SEALED
                    if name in row.data and not paris.is_text_on_first_key(row.data[name])
                ]
                for name in stale:
                    text = paris.open_text(row.data[name], purpose=SEAL)
                    row.data[name] = paris.seal_text(text, purpose=SEAL)
            except paris.CannotOpen:
                unreadable += 1
                continue
            if stale:
                row.save(update_fields=["data"])
                rotated += 1
    return paris.RotationReport(rotated, unreadable, left)


def check_secrets() -> Iterator[tuple[str, bool]]:
    """The key of each secret, and whether it can be opened."""
    for data in Authenticator.objects.values_list("data", flat=True).iterator(chunk_size=500):
        for name in SEALED:
            if name in data:
                try:
                    paris.open_text(data[name], purpose=SEAL)
                except paris.CannotOpen:
                    yield paris.key_id_of_text(data[name]), False
                else:
                    yield paris.key_id_of_text(data[name]), True


@transaction.atomic
def remove(user: User) -> bool:
    """Remove the person's factor and recovery codes, and tell them by mail. Returns whether there was one."""
    removed, _ = Authenticator.objects.filter(user=user).delete()
    if not removed:
        return False
    if user.email:
        setup = settings.PUBLIC_BASE_URL + reverse("mfa_index")
        sending.queue("factor_removed", user.email, {"username": user.get_username(), "setup_page": setup})
    return True


def connect() -> None:
    paris.also_rotate(rotate_secrets)
    paris.also_check(check_secrets)
