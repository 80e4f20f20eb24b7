"""Decoders that several threads need for the first time at the same moment."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import run_python

# In a separate process: without the lock it dies of a segmentation fault.
SCRIPT = """
import dataclasses, sys, threading
import foundation.cache as cache

sys.setswitchinterval(1e-6)
TEXT = b'{"checked_at": 1.0, "value": {"a": {"x": 1, "y": [2], "z": {}}, "b": null, "c": [{"x": 1, "y": [], "z": {}}]}}'
for number in range(200):
    inner = dataclasses.make_dataclass(f"Inner{number}", [("x", int), ("y", list[int]), ("z", dict[str, float])])
    fields = [("a", inner), ("b", int | None), ("c", tuple[inner, ...])]
    kind = dataclasses.make_dataclass(f"Kind{number}", fields)
    together = threading.Barrier(8)

    def decode():
        together.wait()
        assert cache._decoder_of(kind).decode(TEXT).value.a.x == 1

    threads = [threading.Thread(target=decode) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("alive")
"""


def test_threads_that_need_a_decoder_at_once_do_not_crash_the_process(tmp_path: Path) -> None:
    environment = {"DJANGO_SETTINGS_MODULE": "config.settings", "DEBUG": "true", "VAR_DIR": str(tmp_path)}
    done = run_python("-c", SCRIPT, env=environment)

    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr
