"""The React component: it works with both versions of React, and the editor's code fits it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.clients.node import install, run_in
from venice_api.editor.platforms import Codes, Platform, platforms

CLIENT = Path(__file__).resolve().parent.parent.parent / "clients" / "react"
CODES = Codes("https://feeds.example", "wgt_1.1.s1gned", "<html>", "<iframe>")


@pytest.fixture(scope="module")
def npm() -> str:
    return install(CLIENT, CLIENT / "test" / "react-18")


def react() -> Platform:
    return next(platform for platform in platforms(CODES) if platform.key == "react")


def test_the_component_compiles_and_works(npm: str) -> None:
    run_in(CLIENT, npm, "run", "check")
    assert "# fail 0" in run_in(CLIENT, npm, "test")


@pytest.mark.parametrize("name", ["./instagram-feed", "instagram-feed-react"])
def test_the_editors_code_compiles_with_the_copied_file_and_with_the_package(
    npm: str, tmp_path: Path, name: str
) -> None:
    imports, element = react().ways[0].code.split("\n\n")
    assert imports == 'import { InstagramFeed } from "./instagram-feed";'
    page = f"{imports.replace('./instagram-feed', name)}\nexport const page = () => {element};\n"
    (tmp_path / "page.tsx").write_text(page)
    if name.startswith("."):
        shutil.copy(CLIENT / "src" / "instagram-feed.ts", tmp_path)
    else:
        run_in(CLIENT, npm, "run", "build")
    for folder in CLIENT.joinpath("node_modules").iterdir():
        (tmp_path / "node_modules").mkdir(exist_ok=True)
        (tmp_path / "node_modules" / folder.name).symlink_to(folder)
    if not name.startswith("."):
        (tmp_path / "node_modules" / name).symlink_to(CLIENT)
    # The options of Vite's and Next's templates.
    options = "--noEmit --strict --jsx react-jsx --module esnext --moduleResolution bundler --target es2022"
    run_in(tmp_path, "node", str(CLIENT / "node_modules" / ".bin" / "tsc"), *options.split(), "page.tsx")


def test_the_package_contains_the_compiled_component_and_its_types(npm: str) -> None:
    run_in(CLIENT, npm, "run", "build")
    listed = run_in(CLIENT, npm, "pack", "--dry-run", "--json", "--ignore-scripts")
    for name in ("dist/instagram-feed.js", "dist/instagram-feed.d.ts", "README.md"):
        assert f'"path": "{name}"' in listed
    assert '"path": "test/' not in listed
    assert (CLIENT / "dist" / "instagram-feed.js").read_text().startswith('"use client";')


def test_the_editor_names_the_file_and_the_package() -> None:
    way = react().ways[0]
    assert (CLIENT / "src" / "instagram-feed.ts").is_file()
    assert "instagram-feed.ts" in way.steps[0]
    assert '"name": "instagram-feed-react"' in (CLIENT / "package.json").read_text()
    assert "instagram-feed-react" in way.note
