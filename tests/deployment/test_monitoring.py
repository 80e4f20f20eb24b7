"""The dashboard and the alerts use existing metrics and labels, and alerts fire when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from prometheus_client import REGISTRY

from paris_integration.observing.gauges import DatabaseGauges
from tests.conftest import needs
from tests.processes.service import ROOT

DASHBOARD = ROOT / "deploy/grafana/instagram-feeds.json"
RULES = ROOT / "deploy/prometheus/alerts.yml"
OURS = re.compile(r"\b((?:instagram|django)_[a-z0-9_]+)(?:\{([^}]*)\})?")
RECORDED = re.compile(r"- record: (\S+)")
GROUPED = re.compile(r"by \(([^)]*)\)")
CONTRACT_LABELS = {"workspace", "reason", "kind", "outcome", "result", "layer"}


@pytest.fixture
def exported(db: None) -> dict[str, set[str]]:
    """Every metric name that a scrape can contain, with its labels."""
    assert (
        Client().get("/healthz").status_code == 200
    )  # django-prometheus creates its metrics at the first request
    found: dict[str, set[str]] = {}
    for collector in set(REGISTRY._collector_to_names):
        labels = set(getattr(collector, "_labelnames", ()))
        for name in REGISTRY._collector_to_names[collector]:
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    for family in DatabaseGauges().collect():
        found[family.name] = {label for sample in family.samples for label in sample.labels}
    return found


def expressions() -> Iterator[str]:
    yield from re.findall(r"^ +expr: (?:>-\n +)?(.+)$", RULES.read_text(), re.M)
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_dashboard_and_rules_use_exported_metrics_only(exported: dict[str, set[str]]) -> None:
    seen = set()
    for expression in expressions():
        labels_of_expression: set[str] = set()
        for name, selected in OURS.findall(expression):
            assert name in exported, (name, expression)
            seen.add(name)
            chosen = set(re.findall(r"([a-z_]+)\s*[=!]", selected or ""))
            assert chosen <= exported[name], (chosen, expression)
            labels_of_expression |= exported[name]
        for group in GROUPED.findall(expression):
            named = {label.strip() for label in group.split(",")}
            assert named <= labels_of_expression, (named, expression)
    assert len(seen) >= 15
    recorded = set(RECORDED.findall(RULES.read_text()))
    used = set(re.findall(r"\binstagram:[a-z0-9_:]+", RULES.read_text() + DASHBOARD.read_text()))
    assert used == recorded


def test_all_our_metrics_use_the_documented_label_names(exported: dict[str, set[str]]) -> None:
    ours = {name: labels for name, labels in exported.items() if name.startswith("instagram_")}
    assert len(ours) > 20
    assert {name: labels - CONTRACT_LABELS - {"le"} for name, labels in ours.items()} == {
        name: set() for name in ours
    }


def test_every_alert_has_a_test_and_a_summary() -> None:
    rules, tests = RULES.read_text(), (RULES.parent / "alerts.test.yml").read_text()
    alerts = re.findall(r"- alert: (\S+)", rules)
    assert len(alerts) >= 10
    assert [name for name in alerts if f"alertname: {name}\n" not in tests] == []
    assert rules.count("summary:") == len(alerts)


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    needs("promtool (Debian's package prometheus)", promtool is not None)
    command: list[Any] = [promtool, "test", "rules", "alerts.test.yml"]
    done = subprocess.run(command, cwd=RULES.parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_section_in_the_runbook() -> None:
    alerts = re.findall(r"- alert: (\S+)", RULES.read_text())
    runbook = (ROOT / "docs/operations.md").read_text().partition("## Runbook")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^### (\S+)$", runbook, re.MULTILINE)) == sorted(alerts)
