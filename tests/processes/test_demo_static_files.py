"""The demo collects static files again only when something has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo import run


class Recorder:
    """Stands for the demo's processes."""

    def __init__(self, static_root: Path) -> None:
        self.static_root = str(static_root)
        self.fails = False
        self.number = 0

    def manage(self, *arguments: str) -> bytes:
        assert arguments[0] == "collectstatic"
        self.number += 1
        if self.fails:
            raise run.CannotRun
        Path(self.static_root).mkdir(exist_ok=True)
        return b""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A static file of a checkout with nothing else in it."""
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setattr(run, "BASE_DIR", tmp_path)
    for name in ("requirements.txt", "config/settings.py", "app/static/app/page.js"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    return tmp_path / "app/static/app/page.js"


def collections(recorder: Recorder) -> int:
    run.collect_static_files(recorder)  # type: ignore[arg-type]
    return recorder.number


def test_once_until_a_file_is_changed_added_or_removed(script: Path, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "static")

    assert [collections(recorder), collections(recorder)] == [1, 1]
    script.write_text("22")
    assert [collections(recorder), collections(recorder)] == [2, 2]
    script.with_name("other.js").write_text("1")
    assert [collections(recorder), collections(recorder)] == [3, 3]
    script.unlink()
    assert [collections(recorder), collections(recorder)] == [4, 4]


def test_again_into_another_or_a_missing_folder(script: Path, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "static")
    assert collections(recorder) == 1
    Path(recorder.static_root).rmdir()
    assert collections(recorder) == 2
    recorder.static_root = str(tmp_path / "elsewhere")
    assert collections(recorder) == 3


def test_again_after_a_failure(script: Path, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "static")
    recorder.fails = True
    with pytest.raises(run.CannotRun):
        collections(recorder)
    recorder.fails = False

    assert collections(recorder) == 2
