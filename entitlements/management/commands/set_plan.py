"""`set_plan WORKSPACE KEY`: prints JSON."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from entitlements.changes import Actor, set_plan
from entitlements.management.lookups import plan_or_error, workspace_or_error


class Command(BaseCommand):
    help = "Change a workspace's plan, and print it as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        parser.add_argument("plan", metavar="KEY")

    def handle(self, *args: Any, **options: Any) -> None:
        workspace = workspace_or_error("WORKSPACE", options["workspace"])
        plan = plan_or_error("KEY", options["plan"])
        set_plan(workspace, plan, actor=Actor("command set_plan"))
        self.stdout.write(json.dumps({"workspaceId": str(workspace.pk), "plan": plan.key}))
