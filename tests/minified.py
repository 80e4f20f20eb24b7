"""`make scripts`: minify widget.js, which every page with a feed loads, to the file that the service serves.

    python -m tests.minified [--check]

The result is kept in the repository, so that the service needs no minifier. `--check` fails if it is out of date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import minify

FOLDER = Path("venice_api/static/embed")
SOURCE, MINIFIED = FOLDER / "widget.js", FOLDER / "widget.min.js"
NOTE = "// Made from widget.js by `make scripts`.\n"


def main() -> int:
    script = NOTE + minified(SOURCE.read_text(encoding="utf-8"))
    if sys.argv[1:] != ["--check"]:
        MINIFIED.write_text(script, encoding="utf-8")
    elif script != MINIFIED.read_text(encoding="utf-8"):
        print(f"{MINIFIED} is out of date: run `make scripts`.")
        return 1
    return 0


def minified(script: str) -> str:
    """The script, with its stylesheet minified, too."""
    styles = re.search(r"const CSS = `(.*?)`", script, re.DOTALL)
    assert styles
    script = script.replace(styles[1], minify.string("text/css", styles[1]))
    return str(minify.string("application/javascript", script))


if __name__ == "__main__":
    sys.exit(main())
