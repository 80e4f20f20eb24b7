"""The connection that each instance uses. Cached for reads; every change clears the cached copy."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from foundation import cache
from foundation.prepared import Prepared
from paris_integration.models import Connection, ConnectionLink
from paris_integration.types import ConnectionFacts, ConnectionState, FeedKey, Login

_links: Prepared[ConnectionLink] = Prepared(
    lambda instance_id: ConnectionLink.objects.filter(pk=instance_id).select_related("connection"),
    instance_id=str,
)


def recall(key: FeedKey) -> ConnectionFacts | None:
    """The instance's connection from the cache, or None. Raises StoreAway when cache and database are both away."""
    # Wrapped in a tuple so that "no connection" can be cached as well.
    (facts,) = cache.remember(
        _key(key.instance_id),
        lambda: (_load(key.instance_id),),
        tuple[ConnectionFacts | None],
        is_outdated=_is_gone,
    )
    return _of_workspace(facts, key)


def _is_gone(found: tuple[ConnectionFacts | None]) -> bool:
    """Whether the connection was erased."""
    (facts,) = found
    return facts is not None and not Connection.objects.filter(pk=facts.connection_id).exists()


def find_connection(key: FeedKey) -> ConnectionFacts | None:
    """The instance's connection from the database, or None."""
    return _of_workspace(_load(key.instance_id), key)


def find_connections(keys: Iterable[FeedKey]) -> dict[str, ConnectionFacts]:
    """As `find_connection`, for many instances, by instance id. Instances without a connection are left out."""
    wanted = {key.instance_id: key for key in keys}
    rows = ConnectionLink.objects.filter(pk__in=wanted).select_related("connection")
    found = {link.pk: _of_workspace(facts_of(link.connection), wanted[link.pk]) for link in rows}
    return {instance_id: facts for instance_id, facts in found.items() if facts}


def _load(instance_id: str) -> ConnectionFacts | None:
    link = _links.first(instance_id=instance_id)
    return facts_of(link.connection) if link else None


def _of_workspace(facts: ConnectionFacts | None, key: FeedKey) -> ConnectionFacts | None:
    """The connection if it belongs to the key's workspace, else None."""
    # The workspaces differ for a moment while an instance moves between them.
    return facts if facts and facts.workspace_id == key.workspace_id else None


def instances_connected_as(username: str) -> list[str]:
    """The instances connected to an account of this name, in any workspace."""
    found = ConnectionLink.objects.filter(connection__username=username.lower())
    return list(found.values_list("pk", flat=True))


def forget(instance_ids: Iterable[str]) -> None:
    cache.forget(*(_key(instance_id) for instance_id in instance_ids))


def instances_of(connection_id: UUID) -> list[str]:
    return list(ConnectionLink.objects.filter(connection_id=connection_id).values_list("pk", flat=True))


def facts_of(row: Connection) -> ConnectionFacts:
    return ConnectionFacts(
        connection_id=row.pk,
        workspace_id=row.workspace_id,
        login=Login(row.login),
        account_id=row.account_id,
        username=row.username,
        state=ConnectionState(row.state),
        token_version=row.token_version,
        expires_at=row.expires_at,
    )


def _key(instance_id: str) -> str:
    return f"paris:link:v2:{instance_id.encode().hex()}"
