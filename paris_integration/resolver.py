"""Which provider call reads a source, or which warning stands in its place. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from paris_integration.providers.base import DiscoveryRequest
from paris_integration.secret import Secret
from paris_integration.types import Mode, Source, SourceType, Warning

PUBLIC_CREDENTIAL = "public"


@dataclass(frozen=True, slots=True)
class OperatorCredentials:
    """The operator's own professional account, which reads other professional accounts by Business Discovery."""

    ig_user_id: str
    token: Secret


@dataclass(frozen=True, slots=True)
class Route:
    """How to read a source. `credential` names the rate-limit window the call counts against."""

    mode: Mode
    credential: str
    request: DiscoveryRequest


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Why a source cannot be read now."""

    warning: Warning


def resolve(source: Source, operator: OperatorCredentials | None) -> Route | NoRoute:
    """Hashtags need a Facebook connection; profiles go through public mode while the operator has it on."""
    if source.type is SourceType.HASHTAG:
        return NoRoute(Warning.HASHTAG_REQUIRES_CONNECT)
    if operator is None:
        return NoRoute(Warning.CONNECT_REQUIRED)
    request = DiscoveryRequest(operator.ig_user_id, source.value, operator.token)
    return Route(Mode.PUBLIC, PUBLIC_CREDENTIAL, request)
