"""Fuzzes the whole API with Schemathesis in all phases: with a token, with a session, as staff, and anonymously.

    DATABASE_URL=postgres://… python -m tests.fuzz.schema --examples 550

Starts a service with the stand-in as Meta. A 5xx, or a status, header, type or body that the schema doesn't describe,
is a failure, and so is a traceback in the log or a fifth more memory at the end than after the first caller.
`--examples` is per operation and kind of caller. Prints a line of figures at the end.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

from tests.processes.service import ROOT, Service, running_service

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
PASSWORD = "fuzz-password-1"
GROWTH_LIMIT = 1.2
CALLERS = ("token", "session", "staff", "anonymous")
_CASES = re.compile(r"(\d[\d,]*) generated")
NO_LIMITS = {f"THROTTLE_{name}": "0" for name in (
    "READS_PER_ADDRESS", "READS_PER_INSTANCE", "POSTS_PER_USER", "SIGN_INS_PER_ADDRESS", "FAILURES_PER_ADDRESS",
)}  # fmt: skip


@dataclass
class Report:
    """`memory_kib`: of the web process, after each caller."""

    cases: dict[str, int] = field(default_factory=dict)
    deviating: list[str] = field(default_factory=list)
    memory_kib: list[int] = field(default_factory=list)
    tracebacks: int = 0
    seconds: float = 0.0

    @property
    def growth(self) -> float:
        return self.memory_kib[-1] / self.memory_kib[0]

    @property
    def complaints(self) -> list[str]:
        total = sum(self.cases.values())
        said = {
            f"deviations with {', '.join(self.deviating)}": bool(self.deviating),
            "tracebacks in the log": self.tracebacks > 0,
            # A short run mostly measures how caches fill.
            "memory has grown": total >= 10_000 and self.growth > GROWTH_LIMIT,
        }
        return [complaint for complaint, holds in said.items() if holds]

    def __str__(self) -> str:
        each = ", ".join(f"{name} {count}" for name, count in self.cases.items())
        return (
            f"schema: {sum(self.cases.values())} cases ({each}), {len(self.deviating)} callers with deviations, "
            f"{self.tracebacks} tracebacks, memory x{self.growth:.2f}, {self.seconds:.0f} s"
        )


def fuzz(service: Service, examples: int, only: Sequence[str] = CALLERS) -> Report:
    workspace = service.workspace("business", editor="fuzz", password=PASSWORD)
    made = service.instance(workspace, "tiny.studio")
    service.manage("create_staff", "staff", "--role", "Support", "--password", PASSWORD)
    base = f"http://127.0.0.1:{service.web_ports[0]}"
    callers = {
        "token": {"Authorization": f"Bearer {made['embedToken']}"},
        "session": _session(base, "fuzz"),
        "staff": _session(base, "staff"),
        "anonymous": {},
    }
    report = Report()
    began = time.monotonic()
    for name in only:
        ran = _run(service, callers[name], examples, made["instanceId"])
        found = _CASES.findall(ran.stdout)
        report.cases[name] = int(found[-1].replace(",", "")) if found else 0
        if ran.returncode != 0 or not report.cases[name]:
            print(name, ran.stdout[-6_000:], ran.stderr[-2_000:], flush=True)
            report.deviating.append(name)
        report.memory_kib.append(memory_kib(service))
        print(f"schema as {name}: {report.cases[name]} cases, exit {ran.returncode}", flush=True)
    report.seconds = time.monotonic() - began
    report.tracebacks = service.log().count("Traceback")
    return report


def memory_kib(service: Service) -> int:
    """The memory of the workers of the first web process."""
    parent = service.webs[0].pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    statuses = [Path(f"/proc/{child}/status").read_text() for child in children]
    return sum(int(status.partition("VmRSS:")[2].split()[0]) for status in statuses)


def _run(
    service: Service, headers: dict[str, str], examples: int, instance_id: str
) -> subprocess.CompletedProcess[str]:
    base = f"http://127.0.0.1:{service.web_ports[0]}"
    sent = [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{base}/api/schema/",
            "--url", base, "--checks", ",".join(CHECKS), "--max-examples", str(examples), "--continue-on-failure",
            "--phases", "examples,coverage,fuzzing,stateful", "--no-color", *sent,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=service.log_path.parent,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
            "FUZZ_INSTANCE_ID": instance_id,
        },
    )  # fmt: skip


def _session(base: str, username: str) -> dict[str, str]:
    """The cookies and the CSRF token of this person, signed in."""
    jar = CookieJar()
    opener = build_opener(HTTPCookieProcessor(jar))
    opener.open(f"{base}/accounts/login/").read()
    token = next(cookie.value for cookie in jar if cookie.name == "csrftoken") or ""
    form = urlencode({"username": username, "password": PASSWORD, "csrfmiddlewaretoken": token}).encode()
    opener.open(Request(f"{base}/accounts/login/?next=/editor/", form, {"Referer": base})).read()
    cookies = {cookie.name: cookie.value or "" for cookie in jar}
    return {
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "X-CSRFToken": cookies["csrftoken"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--examples", type=int, default=550)
    parser.add_argument("--callers", nargs="+", choices=CALLERS, default=CALLERS)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder), DEBUG="false", LOG_LEVEL="WARNING", **NO_LIMITS) as service,
    ):
        report = fuzz(service, arguments.examples, arguments.callers)
        if report.complaints:
            print(service.log()[-20_000:], file=sys.stderr)
    print(report, *report.complaints, sep="; ")
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
