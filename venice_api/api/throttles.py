"""Limits on requests per minute, by address, widget and user. They are separate from the plan's quota.

The counts are in the cache. When it is unavailable, each process counts reads alone, and everything else passes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Protocol

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from foundation import counters, faults
from venice_api.api import problems
from venice_api.client_address import client_address

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


def check_read(request: HttpRequest, instance_id: str | None) -> None:
    """Count a read, preflight or frame by its address and, if known, its instance. Raises Problem 429."""
    limits = read_limits(request.META, instance_id)
    if limits:
        counts = counters.reads.raise_all(list(limits))
        if any(n > limit for n, limit in zip(counts, limits.values(), strict=True)):
            raise problems.throttled(counters.seconds_left())


def read_limits(meta: Mapping[str, Any], instance_id: str | None) -> dict[str, int]:
    """The limits that a read counts towards, by the keys of their counts. `meta`: the WSGI environment."""
    address = client_address(meta, settings.TRUSTED_PROXIES)
    limits = {_key(f"read:address:{address}"): settings.THROTTLE_READS_PER_ADDRESS}
    if instance_id is not None:
        limits[_key(f"read:instance:{instance_id}")] = settings.THROTTLE_READS_PER_INSTANCE
    return {key: limit for key, limit in limits.items() if limit > 0}


def check_picture(request: HttpRequest) -> None:
    """Count a picture by its address, apart from the reads of feeds. Raises Problem 429."""
    _check({f"picture:address:{_address(request)}": settings.THROTTLE_READS_PER_ADDRESS})


class ReadsInstance(Protocol):
    def instance_id_of(self, request: Request) -> str | None: ...


class ReadThrottle(BaseThrottle):
    """Limits reads by address and by instance, in one round trip to the cache."""

    def allow_request(self, request: Request, view: ReadsInstance) -> bool:  # type: ignore[override]
        check_read(request._request, view.instance_id_of(request))
        return True


class ThrottleMiddleware:
    """Limits sign-ins by address, changes by user, and failed authentication by address, on pages and in the API."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            _check_change(request)
            response = self.get_response(request)
            if response.status_code == 401:
                limit = settings.THROTTLE_FAILURES_PER_ADDRESS
                _check({f"failure:address:{_address(request)}": limit})
        except problems.Problem as problem:
            return problems.too_many(request, problem)
        return response


def _check_change(request: HttpRequest) -> None:
    if request.method not in UNSAFE:
        return
    if request.path in {reverse("login"), reverse("admin:login")}:
        _check({f"sign-in:address:{_address(request)}": settings.THROTTLE_SIGN_INS_PER_ADDRESS})
    elif (user_id := _user_id(request)) is not None:
        _check({f"change:user:{user_id}": settings.THROTTLE_POSTS_PER_USER})


def _user_id(request: HttpRequest) -> int | None:
    """The signed-in user. None also when the database is unavailable: the view then answers 503."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    try:
        return request.user.pk
    except faults.DRIVER_ERRORS:
        return None


def _check(limits: Mapping[str, int]) -> None:
    """Count once for every name with a limit. Raises Problem 429 when one is exceeded."""
    counted = {_key(name): limit for name, limit in limits.items() if limit > 0}
    if not counted:
        return
    counts = counters.count(list(counted))
    if counts is not None and any(n > limit for n, limit in zip(counts, counted.values(), strict=True)):
        raise problems.throttled(counters.seconds_left())


@lru_cache(maxsize=16_384)
def _key(name: str) -> str:
    """Names contain request data and personal data; hashed keys are safe and reveal nothing."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _address(request: HttpRequest) -> str:
    return client_address(request.META, settings.TRUSTED_PROXIES)
