"""What one worker of a test run makes for all of them."""

import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def once(tmp_path_factory, name: str, make: Callable[[Path], str]) -> Path:
    """Return a folder that the first worker to ask for it fills, by make(folder).

    make returns a complaint, empty if all went well; if not, every worker that asks fails with it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    complaint = folder.with_suffix(".complaint")
    with FileLock(folder.with_suffix(".lock")):
        if not complaint.exists():
            folder.mkdir()
            complaint.write_text(make(folder), encoding="utf-8")
    text = complaint.read_text(encoding="utf-8")
    assert not text, f"{name} cannot be made:\n{text}"
    return folder
