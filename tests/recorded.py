"""Loads and serves the recorded answers of Meta. See data/instagram/README.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import responses

DATA = Path(__file__).parent / "data" / "instagram"
GRAPH = "https://graph.example"
ACCOUNT_ID = "17841400000000001"
TAG_ID = "17843800000000001"


@dataclass(frozen=True)
class Recorded:
    """One file. The fields are the members of its JSON object."""

    about: str
    source: str
    payload: Any
    expected: dict[str, Any]
    status: int = 200
    headers: Mapping[str, object] = field(default_factory=dict)

    @property
    def header_texts(self) -> dict[str, str]:
        return {name: text_of(value) for name, value in self.headers.items()}

    @property
    def body(self) -> str:
        return text_of(self.payload)


def text_of(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def load(path: Path) -> Recorded:
    """Raises TypeError for unknown members."""
    return Recorded(**json.loads(path.read_text()))


def recorded(folder: str) -> list[Any]:
    """The cases of a folder for `pytest.mark.parametrize`, with the file names as ids."""
    return [pytest.param(load(path), id=path.stem) for path in sorted((DATA / folder).glob("*.json"))]


def serve(meta: responses.RequestsMock, edge: str, payload: Any) -> int:
    """Answer calls to `edge` with one page or several in order, errors with status 400. Returns the count of pages."""
    pages = payload if isinstance(payload, list) else [payload]
    for page in pages:
        meta.get(f"{GRAPH}/v26.0/{edge}", json=page, status=400 if "error" in page else 200)
    return len(pages)
