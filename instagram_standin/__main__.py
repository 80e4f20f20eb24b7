"""`python -m instagram_standin`: the stand-in as a process, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import threading

from instagram_standin.server import StandIn
from instagram_standin.world import (
    FACEBOOK_APP_ID,
    FACEBOOK_APP_SECRET,
    INSTAGRAM_APP_ID,
    INSTAGRAM_APP_SECRET,
    OPERATOR_ID,
    OPERATOR_TOKEN,
    Settings,
)


def main() -> int:
    options = _options()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    standin = StandIn(host=options.host, port=options.port, settings=_settings(options), quiet=options.quiet)
    try:
        standin.start()
    except OSError as error:
        print(f"instagram_standin: {_reason(error, options)}", file=sys.stderr)
        return 1
    print(f"The stand-in Instagram is ready on {standin.url()}", flush=True)
    stopped.wait()
    standin.stop()
    return 0


def _reason(error: OSError, options: argparse.Namespace) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {options.port} is taken on {options.host}; stop what listens there, or choose another --port"
    return f"cannot listen on {options.host}:{options.port}: {error.strerror or error}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="instagram_standin", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001, help="0 for any free one")
    parser.add_argument("--quiet", action="store_true", help="do not print a line per call")
    parser.add_argument("--public-url", help="where callers reach this server, if not at the host they name")
    parser.add_argument("--operator-id", default=os.environ.get("STANDIN_OPERATOR_ID") or OPERATOR_ID)
    parser.add_argument(
        "--operator-token", default=os.environ.get("STANDIN_OPERATOR_TOKEN") or OPERATOR_TOKEN
    )
    return parser.parse_args()


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        operator_id=options.operator_id,
        operator_token=options.operator_token,
        instagram_app_id=os.environ.get("STANDIN_INSTAGRAM_APP_ID") or INSTAGRAM_APP_ID,
        instagram_app_secret=os.environ.get("STANDIN_INSTAGRAM_APP_SECRET") or INSTAGRAM_APP_SECRET,
        facebook_app_id=os.environ.get("STANDIN_FACEBOOK_APP_ID") or FACEBOOK_APP_ID,
        facebook_app_secret=os.environ.get("STANDIN_FACEBOOK_APP_SECRET") or FACEBOOK_APP_SECRET,
        public_url=options.public_url,
    )


if __name__ == "__main__":
    sys.exit(main())
