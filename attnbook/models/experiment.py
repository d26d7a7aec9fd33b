"""Where trained weights and the records of longer runs lie, and how they are written whole."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
RECORDS = Path(__file__).parent / "records"


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a file beside the path to write to, and rename it at the end, when it is complete."""
    beside = path.with_name(f"{path.name}.new")
    yield beside
    os.replace(beside, path)


def read_record(name: str) -> dict:
    """Return the record of a run."""
    return json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))


def write_record(name: str, found: dict) -> None:
    """Write the record of a run."""
    with written_whole(RECORDS / f"{name}.json") as beside:
        beside.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
