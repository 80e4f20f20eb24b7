"""Simultaneous first reads over several web processes: they cost one provider call, in whatever order they arrive.

    python -m tests.races.herds --herds 200 --webs 3 --readers 24

Needs DATABASE_URL of a PostgreSQL server. Creates a database there. Prints one line of figures.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.processes.service import Service, running_service

SPREAD_SECONDS = 0.05  # the last reader of a herd starts this much later than the first

SEED = """
import json
from entitlements.models import Plan, Workspace
from venice_api import embed_tokens
from venice_api.models import WidgetInstance
workspace = Workspace.objects.create(name="Herds", plan=Plan.objects.get(key="pro"))
made = [
    WidgetInstance.objects.create(workspace=workspace, source_type="profile", source_value=f"load.herd{{n}}")
    for n in range({herds})
]
print(json.dumps({{row.source_value: embed_tokens.issue(row.pk, row.token_version) for row in made}}))
"""


@dataclass(frozen=True)
class Verdict:
    """`calls`: how many herds caused each number of provider calls. `answers`: how many readers got each answer."""

    herds: int
    calls: dict[int, int]
    answers: dict[str, int]
    seconds: float

    @property
    def is_right(self) -> bool:
        return self.calls == {1: self.herds} and set(self.answers) <= {"filled", "warming"}


def run(service: Service, *, herds: int, readers: int) -> Verdict:
    """Run the herds one after the other, each for a new widget."""
    tokens = service.manage("shell", "-v", "0", "-c", SEED.format(herds=herds))
    answers: Counter[str] = Counter()
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=readers) as pool:
        for token in tokens.values():
            answers.update(pool.map(lambda place, t=token: _read(service, t, place), range(readers)))
    calls = Counter(call["username"] for call in service.standin.calls)
    return Verdict(
        herds=herds,
        calls=dict(Counter(calls[username] for username in tokens)),
        answers=dict(answers),
        seconds=round(time.monotonic() - began, 1),
    )


def _read(service: Service, token: str, place: int) -> str:
    time.sleep(random.random() * SPREAD_SECONDS)  # noqa: S311 - when a reader comes is chance
    answer = service.read(token, web=place % len(service.web_ports))
    if answer.status != 200:
        return str(answer.status)
    body = answer.json
    if body["posts"]:
        return "filled"
    return "warming" if body["warnings"] == ["FEED_WARMING"] else "without posts"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--herds", type=int, default=200)
    parser.add_argument("--webs", type=int, default=3)
    parser.add_argument("--readers", type=int, default=24)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder), webs=options.webs, LOG_LEVEL="ERROR") as service,
    ):
        verdict = run(service, herds=options.herds, readers=options.readers)
    print(json.dumps(asdict(verdict) | {"isRight": verdict.is_right}), flush=True)
    return 0 if verdict.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
