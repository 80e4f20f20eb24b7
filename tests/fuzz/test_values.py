"""Short runs of tests.fuzz.values."""

from __future__ import annotations

import pytest

from tests.fuzz.values import TARGETS, Target, renderers, run


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_value_breaks_a_rule(target: Target) -> None:
    with renderers():
        report = run(target, inputs=100 if target.name == "media decoder" else 400)

    assert report.complaints == [], "\n".join(report.failures)
