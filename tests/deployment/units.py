"""Reads the units of deploy/systemd/, as far as the tests need them."""

from __future__ import annotations

import shlex
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "deploy" / "systemd"
COMMON = FOLDER / "instagram-feeds-.service.d" / "common.conf"
CHECKOUT, STATE, SETTINGS = "/srv/instagram-feeds", "/var/lib/instagram-feeds", "/etc/instagram-feeds"
NAMES = ("migrate", "web", "worker", "pictures", "beat")


@dataclass(frozen=True)
class Unit:
    name: str
    entries: dict[str, list[str]]  # every value of each key, without its section

    def last(self, key: str) -> str:
        return self.entries[key][-1]

    @property
    def command(self) -> list[str]:
        return [part.replace("%%", "%") for part in shlex.split(self.last("ExecStart"))]

    @property
    def environment(self) -> dict[str, str]:
        """Environment= alone, with %d for the folder of the credentials."""
        assignments = [part for value in self.entries["Environment"] for part in shlex.split(value)]
        return dict(assignment.split("=", 1) for assignment in assignments)

    @property
    def credentials(self) -> dict[str, str]:
        """The path of each credential's file."""
        return dict(value.split(":", 1) for value in self.entries["LoadCredential"])


def read_unit(name: str) -> Unit:
    """One of `NAMES` with the settings that all units share."""
    entries: dict[str, list[str]] = defaultdict(list)
    for file in (FOLDER / f"instagram-feeds-{name}.service", COMMON):
        for line in file.read_text().splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                entries[key].append(value)
    return Unit(name, dict(entries))
