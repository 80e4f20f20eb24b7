"""Which revision is the previous release."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.rolling import previous


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@x.example", "-c", "tag.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_last_tag_before_this_commit_is_the_previous_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "--quiet")

    def commit(*tags: str) -> None:
        git(tmp_path, "commit", "--quiet", "--allow-empty", "--no-gpg-sign", "-m", "x")
        for tag in tags:
            git(tmp_path, "tag", tag)

    commit()
    commit()
    monkeypatch.setattr(previous, "ROOT", tmp_path)
    assert previous.revision() == previous.recorded().revision
    commit("v0.1.0", "other")
    assert previous.revision() == previous.recorded().revision  # this commit is the release itself
    commit("v0.2.0")
    assert previous.revision() == "v0.1.0"
    commit()
    assert previous.revision() == "v0.2.0"
