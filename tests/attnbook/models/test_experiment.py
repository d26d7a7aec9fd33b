"""What the experiments share: runs, records and weights, and that none is ever half written."""

import json
import os

import numpy as np
import pytest
import torch

from attnbook.models import experiment, recall


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Let records and weights be written to and read from an empty folder."""
    monkeypatch.setattr(experiment, "RECORDS", tmp_path)
    monkeypatch.setattr(experiment, "WEIGHTS", tmp_path)
    return tmp_path


@pytest.fixture
def two_threads():
    """Let torch compute on two threads, as on a machine of two cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def squared(row):
    """Measure a row; at the top of the module, where other processes find it."""
    return row | {"square": row["x"] ** 2, "threads": torch.get_num_threads(), "pid": os.getpid()}


def test_rows_are_measured_elsewhere_on_one_thread_and_come_back_in_order(two_threads):
    found = experiment.run(squared, [{"x": x} for x in (3, 1, 2)])
    assert [(row["x"], row["square"], row["threads"]) for row in found] == [
        (3, 9, 1),
        (1, 1, 1),
        (2, 4, 1),
    ]
    assert os.getpid() not in {row["pid"] for row in found}


def test_a_record_comes_back_with_the_processor(folder):
    experiment.write_record("cats", {"rows": [{"name": "Möhre", "weight": 0.1}]})
    assert experiment.read_record("cats")["rows"] == [{"name": "Möhre", "weight": 0.1}]
    assert ", " in experiment.read_record("cats")["processor"]
    assert [path.name for path in folder.iterdir()] == ["cats.json"]


def test_a_column_of_the_rows_that_hold_what_is_wanted(folder):
    rows = [{"seed": s, "steps": n, "right": [s, n]} for s in (0, 1) for n in (5, 7, 9)]
    experiment.write_record("some", {"rows": rows})
    found = experiment.recorded_column("some", "right", steps=7)
    assert found.tolist() == [[0, 7], [1, 7]]
    assert experiment.recorded_column("some", "seed", steps=9, seed=1).tolist() == [1]
    assert len(experiment.recorded_column("some", "seed", steps=6)) == 0


def test_weights_come_back_to_the_bit(folder):
    rng = np.random.default_rng(0)
    written = {"a": rng.normal(size=(3, 5)), "b": torch.tensor(rng.normal(size=4)).float()}
    experiment.write_weights("some", written)
    found = experiment.read_weights("some")
    assert found.keys() == written.keys()
    assert found["a"].dtype == np.float64 and found["b"].dtype == np.float32
    assert all(np.array_equal(found[name], np.asarray(written[name])) for name in found)


def test_writing_the_committed_weights_again_changes_no_byte(folder, monkeypatch):
    monkeypatch.undo()
    committed = (experiment.WEIGHTS / "one_head.safetensors").read_bytes()
    weights = experiment.read_weights("one_head")
    monkeypatch.setattr(experiment, "WEIGHTS", folder)
    experiment.write_weights("one_head", weights)
    assert (folder / "one_head.safetensors").read_bytes() == committed


# --- nothing is left half done


def test_a_run_that_fails_leaves_the_old_record(folder, monkeypatch):
    experiment.write_record("recall", {"rows": ["old"]})
    before = (folder / "recall.json").read_bytes()
    row = {"task": "pairs", "network": "tree", "pairs": 4, "steps": 1, "seed": 0}
    monkeypatch.setattr(recall, "rows", lambda: [row])
    with pytest.raises(ValueError, match="network: got 'tree'"):
        recall.main()
    assert (folder / "recall.json").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["recall.json"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError("disk full")])
def test_a_file_that_is_half_written_replaces_nothing(tmp_path, interruption):
    path = tmp_path / "record.json"
    path.write_text("old", encoding="utf-8")
    with pytest.raises((KeyboardInterrupt, OSError)), experiment.written_whole(path) as beside:
        beside.write_text("ne", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
        raise interruption
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_record_that_cannot_be_written_leaves_the_old_one(folder):
    experiment.write_record("some", {"rows": [1]})
    with pytest.raises(TypeError, match="not JSON serializable"):
        experiment.write_record("some", {"rows": [object()]})
    assert json.loads((folder / "some.json").read_text(encoding="utf-8"))["rows"] == [1]
    assert [path.name for path in folder.iterdir()] == ["some.json"]


# --- one thread


def test_one_thread_gives_back_what_it_took_even_after_an_error(two_threads):
    @experiment.one_thread()
    def threads():
        return torch.get_num_threads()

    assert threads() == threads() == 1
    with pytest.raises(RuntimeError), experiment.one_thread():
        raise RuntimeError
    assert torch.get_num_threads() == 2
