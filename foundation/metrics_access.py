"""Who may read the metrics: callers that send METRICS_TOKEN, and this machine itself."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from ipaddress import ip_address

_BEARER = "bearer "
_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


def may_read(environ: Mapping[str, object], token: str) -> bool:
    """Decide by a WSGI environ. A wrong bearer token is refused from loopback too.

    A request that a proxy has forwarded never counts as this machine's, even if the proxy runs here.
    """
    authorization = str(environ.get("HTTP_AUTHORIZATION", ""))
    if authorization:
        sent = authorization[len(_BEARER) :].strip()
        is_bearer = authorization.lower().startswith(_BEARER)
        is_right = hmac.compare_digest(sent.encode(), token.encode())
        return bool(token) and is_bearer and is_right
    if any(name in _FORWARDED or name.startswith("HTTP_X_FORWARDED") for name in environ):
        return False
    return _is_loopback(str(environ.get("REMOTE_ADDR", "")))


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
