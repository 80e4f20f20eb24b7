"""`make scripts`: minify widget.js, which every page with a feed loads, to the file that the service serves.

    python -m tests.minified [--check]

The result is kept in the repository, so that the service needs no minifier. `--check` fails if it is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

import minify

FOLDER = Path("venice_api/static/embed")
SOURCE, MINIFIED = FOLDER / "widget.js", FOLDER / "widget.min.js"
NOTE = "// Made from widget.js by `make scripts`.\n"


def main() -> int:
    script = NOTE + minify.string("application/javascript", SOURCE.read_text(encoding="utf-8"))
    if sys.argv[1:] != ["--check"]:
        MINIFIED.write_text(script, encoding="utf-8")
    elif script != MINIFIED.read_text(encoding="utf-8"):
        print(f"{MINIFIED} is out of date: run `make scripts`.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
