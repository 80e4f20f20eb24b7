"""Who may read the metrics: whoever knows METRICS_TOKEN, and this machine itself."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from ipaddress import ip_address

_BEARER = "bearer "
_SPOKEN_FOR = ("HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


def may_read(environ: Mapping[str, object], token: str) -> bool:
    """Decide from a WSGI environ. A bearer is judged by itself, so a wrong one is refused from loopback too.

    Whatever a proxy has passed on is a stranger's request, however near the proxy stands.
    """
    authorization = str(environ.get("HTTP_AUTHORIZATION", ""))
    if authorization:
        sent = authorization[len(_BEARER) :].strip()
        is_bearer = authorization.lower().startswith(_BEARER)
        is_right = hmac.compare_digest(sent.encode(), token.encode())
        return bool(token) and is_bearer and is_right
    if any(name in _SPOKEN_FOR or name.startswith("HTTP_X_FORWARDED") for name in environ):
        return False
    return _is_loopback(str(environ.get("REMOTE_ADDR", "")))


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
