"""From a route to the provider's request, with the token opened at the last moment."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from paris_integration import connections, hashtags
from paris_integration.providers.base import DiscoveryRequest, FeedRequest, HashtagRequest, OwnMediaRequest
from paris_integration.resolver import Call, Route
from paris_integration.secret import Secret
from paris_integration.types import Source


def request_for(route: Route, source: Source, *, now: datetime) -> FeedRequest:
    """Raises ProviderError and its kin: TokenRejected without a token, and what finding a tag's number raises."""
    via = route.via
    if via is None:
        operator = Secret(settings.PUBLIC_MODE_ACCESS_TOKEN)
        return DiscoveryRequest(settings.PUBLIC_MODE_IG_USER_ID, source.value, operator)
    token = connections.open_token(via)
    match route.call:
        case Call.OWN_MEDIA:
            return OwnMediaRequest(via.login, via.account_id, via.username, token)
        case Call.DISCOVERY:
            return DiscoveryRequest(via.account_id, source.value, token)
        case Call.HASHTAG:
            number = hashtags.number_of(source.value, account_id=via.account_id, token=token, now=now)
            return HashtagRequest(via.account_id, number, token)
