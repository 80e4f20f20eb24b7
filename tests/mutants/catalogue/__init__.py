"""The mutants, by the part of the service whose guards they take away."""

from __future__ import annotations

from tests.mutants.catalogue import accounts, api, connections, feeds, logins, logs, media, providers, quota

MUTANTS = (
    *feeds.MUTANTS,
    *quota.MUTANTS,
    *connections.MUTANTS,
    *logins.MUTANTS,
    *providers.MUTANTS,
    *media.MUTANTS,
    *api.MUTANTS,
    *accounts.MUTANTS,
    *logs.MUTANTS,
)
