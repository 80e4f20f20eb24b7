"""Reads `/metrics` in tests."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

Page = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parse(text: str) -> Page:
    """All samples, by name and sorted labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape() -> Page:
    """The metrics page of this process, requested from loopback."""
    from django.test import Client

    answer = Client().get("/metrics")
    assert answer.status_code == 200
    return parse(answer.content.decode())


def difference(before: Page, after: Page, name: str) -> dict[tuple[str, ...], float]:
    """How much each series of this metric increased, by its label values in the order of the labels' names.

    For feed requests the order is reversed: (workspace, result).
    """
    risen = {}
    for (found, labels), value in after.items():
        grown = value - before.get((found, labels), 0.0)
        if found == name and grown:
            values = [text for _, text in labels]
            risen[tuple(reversed(values)) if name == "instagram_feed_requests_total" else tuple(values)] = (
                grown
            )
    return risen
