"""A workspace and the key of its widget's feed."""

from __future__ import annotations

import pytest

from entitlements.models import Plan, Workspace
from paris_integration.public import FeedKey, Source, SourceType


@pytest.fixture
def workspace(db: None) -> Workspace:
    return Workspace.objects.create(name="Acme", plan=Plan.objects.get(key="pro"))


@pytest.fixture
def key(workspace: Workspace) -> FeedKey:
    return FeedKey(workspace.pk, "wgt_1", Source(SourceType.PROFILE, "acme.bakery"))
