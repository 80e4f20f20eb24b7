"""The scripts that publishers' pages load: the widget, and the modules that it imports when it needs them."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import brotli
from django.contrib.staticfiles import finders

# The file of each script. `make scripts` minifies the one that every page loads.
FILES = {
    "widget": "widget.min.js",
    **{name: f"{name}.js" for name in ("carousel", "header", "languages", "lightbox", "masonry")},
}
PLAIN = "identity"


@dataclass(frozen=True, slots=True)
class Body:
    """A script in one encoding. The encodings have different ETags, as HTTP requires."""

    encoding: str
    content: bytes
    etag: str


@cache
def script_of(name: str) -> Mapping[str, Body]:
    """The script in each encoding, the smallest first. Compressed once per process."""
    path = finders.find(f"embed/{FILES[name]}")
    if path is None:
        raise FileNotFoundError(FILES[name])
    script = Path(path).read_bytes()
    digest = hashlib.sha256(script).hexdigest()[:32]
    return {
        "br": Body("br", brotli.compress(script, mode=brotli.MODE_TEXT), f'"{digest}-br"'),
        "gzip": Body("gzip", gzip.compress(script, 9, mtime=0), f'"{digest}-gzip"'),
        PLAIN: Body(PLAIN, script, f'"{digest}"'),
    }


def accepted_body(name: str, accept_encoding: str) -> Body:
    """The script in the smallest encoding that this Accept-Encoding header names."""
    accepted = {
        coding.strip().lower()
        for coding, _, weight in (part.partition(";") for part in accept_encoding.split(","))
        if weight.replace(" ", "").rstrip(".0") != "q="
    }
    bodies = script_of(name)
    return next((body for body in bodies.values() if body.encoding in accepted), bodies[PLAIN])
