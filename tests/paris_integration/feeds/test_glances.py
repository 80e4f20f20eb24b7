"""Glances at many widgets: the same state as from single views, without a query per widget."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from paris_integration.errors import ProviderUnavailable
from paris_integration.public import Warning, glance_at, look_at_feed, read_feed
from tests.conftest import Cast
from tests.fakes import FakeProvider
from venice_api.instances import from_row

pytestmark = pytest.mark.django_db


def test_a_glance_matches_the_full_view(people: Cast, make_instance: Any, provider: FakeProvider) -> None:
    read, failed, never, tag = (
        from_row(make_instance(source_type=kind, source_value=value))
        for kind, value in (
            ("profile", "acme.bakery"),
            ("profile", "tiny.studio"),
            ("profile", "northern.trails"),
            ("hashtag", "bread"),
        )
    )
    now = timezone.now()
    read_feed(read.feed_key(), read.selection(), now=now)
    provider.raises(ProviderUnavailable(status=503))
    read_feed(failed.feed_key(), failed.selection(), now=now)

    instances = (read, failed, never, tag)
    glances = glance_at([instance.feed_key() for instance in instances], now=now)

    for instance in instances:
        glance = glances[instance.instance_id]
        view = look_at_feed(instance.feed_key(), instance.selection(), now=now)
        assert (glance.last_updated_at, glance.last_tried_at, glance.warnings) == (
            view.last_updated_at,
            view.last_tried_at,
            view.warnings,
        )
    assert glances[read.instance_id].last_updated_at is not None
    assert glances[failed.instance_id].warnings == {Warning.PROVIDER_UNAVAILABLE}
    assert glances[tag.instance_id].warnings == {Warning.HASHTAG_REQUIRES_CONNECT}


def test_queries_do_not_grow_with_the_widgets(
    people: Cast, make_instance: Any, provider: FakeProvider
) -> None:
    def queries(count: int) -> int:
        keys = [from_row(make_instance()).feed_key() for _ in range(count)]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert len(glance_at(keys, now=timezone.now())) == count
        return len(captured)

    assert queries(1) == queries(12)
