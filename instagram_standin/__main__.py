"""`python -m instagram_standin`: the stand-in as a process, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import threading
from dataclasses import fields

from instagram_standin.server import Settings, StandIn


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
    print(f"The stand-in for Instagram is ready on {standin.url()}", flush=True)
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
    parser.add_argument("--operator-id")
    parser.add_argument("--operator-token")
    return parser.parse_args()


def _settings(options: argparse.Namespace) -> Settings:
    """What the command line says, else the environment (`STANDIN_OPERATOR_TOKEN` and so on), else the defaults."""
    given = {
        field.name: getattr(options, field.name, None) or os.environ.get(f"STANDIN_{field.name.upper()}")
        for field in fields(Settings)
    }
    return Settings(**{name: value for name, value in given.items() if value})


if __name__ == "__main__":
    sys.exit(main())
