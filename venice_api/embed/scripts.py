"""The scripts that publishers' pages load: the widget, and the modules that it imports when it needs them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders

# The file of each script. `make scripts` minifies the one that every page loads.
FILES = {
    "widget": "widget.min.js",
    **{name: f"{name}.js" for name in ("carousel", "header", "languages", "lightbox", "masonry")},
}


@cache
def script_of(name: str) -> tuple[bytes, str]:
    """The script and its ETag."""
    path = finders.find(f"embed/{FILES[name]}")
    if path is None:
        raise FileNotFoundError(FILES[name])
    script = Path(path).read_bytes()
    return script, f'"{hashlib.sha256(script).hexdigest()[:32]}"'
