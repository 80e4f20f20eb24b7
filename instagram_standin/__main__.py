"""`python -m instagram_standin`: the stand-in as a process of its own."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from instagram_standin.graph import Operator
from instagram_standin.server import OPERATOR_ID, OPERATOR_TOKEN, StandIn


def main() -> int:
    parser = argparse.ArgumentParser(prog="instagram_standin", description="Plays Meta's part on loopback.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--quiet", action="store_true", help="say nothing when ready")
    options = parser.parse_args()
    operator = Operator(OPERATOR_ID, os.environ.get("STANDIN_OPERATOR_TOKEN", OPERATOR_TOKEN))
    try:
        standin = StandIn(options.host, options.port, operator=operator)
    except OSError as error:
        print(f"stand-in: port {options.port} cannot be used: {error.strerror}", file=sys.stderr)
        return 1
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with standin:
        if not options.quiet:
            print(f"stand-in ready at {standin.base_url}", flush=True)
        stopping.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
