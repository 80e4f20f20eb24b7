"""Fuzzes the whole API with Schemathesis in all phases: with a token, with a session, and anonymously.

    python -m tests.fuzz.schema --examples 400

Starts a service with the stand-in as Meta. A 5xx, or a status, header, type or body that the schema doesn't describe,
is a failure. `--examples` is per operation and kind of caller. The sum of all cases is printed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
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
_CASES = re.compile(r"(\d[\d,]*) generated")
NO_LIMITS = {f"THROTTLE_{name}": "0" for name in (
    "READS_PER_ADDRESS", "READS_PER_INSTANCE", "POSTS_PER_USER", "SIGN_INS_PER_ADDRESS", "FAILURES_PER_ADDRESS",
)}  # fmt: skip


def fuzz(service: Service, examples: int) -> tuple[int, bool]:
    """Returns how many cases ran, and whether all conformed to the schema."""
    workspace = service.workspace("business", editor="fuzz", password=PASSWORD)
    made = service.instance(workspace, "tiny.studio")
    callers = {
        "token": {"Authorization": f"Bearer {made['embedToken']}"},
        "session": _session(f"http://127.0.0.1:{service.web_ports[0]}"),
        "anonymous": {},
    }
    cases, is_clean = 0, True
    for name, headers in callers.items():
        ran = _run(service, headers, examples, made["instanceId"])
        found = _CASES.findall(ran.stdout)
        count = int(found[-1].replace(",", "")) if found else 0
        print(f"{name}: {count} cases, exit {ran.returncode}", flush=True)
        if ran.returncode != 0 or not count:
            print(ran.stdout[-6_000:], ran.stderr[-2_000:])
            is_clean = False
        cases += count
    return cases, is_clean


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


def _session(base: str) -> dict[str, str]:
    """The cookies and the CSRF token of a signed-in editor."""
    jar = CookieJar()
    opener = build_opener(HTTPCookieProcessor(jar))
    opener.open(f"{base}/accounts/login/").read()
    token = next(cookie.value for cookie in jar if cookie.name == "csrftoken") or ""
    form = urlencode({"username": "fuzz", "password": PASSWORD, "csrfmiddlewaretoken": token}).encode()
    opener.open(Request(f"{base}/accounts/login/?next=/editor/", form, {"Referer": base})).read()
    cookies = {cookie.name: cookie.value or "" for cookie in jar}
    return {
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "X-CSRFToken": cookies["csrftoken"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=400)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder), DEBUG="false", **NO_LIMITS) as service,
    ):
        cases, is_clean = fuzz(service, arguments.examples)
        tracebacks = service.log().count("Traceback")
    print(f"{cases} cases in all, {tracebacks} tracebacks in the log, {'clean' if is_clean else 'NOT clean'}")
    return 0 if is_clean and not tracebacks else 1


if __name__ == "__main__":
    sys.exit(main())
