"""The benchmark runs, and its table and its JSON file say the same."""

import json
import sys

import torch

from benchmarks import attention as benchmark


def test_a_short_benchmark_writes_a_table_and_a_json_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "QUICK", (16, 24))
    monkeypatch.setattr(
        sys, "argv", ["attention", "--quick", "--rounds", "1", "--folder", str(tmp_path)]
    )
    benchmark.main()
    page = (tmp_path / "attention.md").read_text()
    record = json.loads((tmp_path / "attention.json").read_text())
    assert capsys.readouterr().out == page + "\n"
    assert f"torch {record['hardware']['torch']}" in page and torch.__version__ in page
    assert {path.name for path in tmp_path.iterdir()} == {"attention.md", "attention.json"}
    for row in record["rows"]:
        assert row["seconds"] > 0 and len(row["all_seconds"]) == 1 and row["extra_megabytes"] > 0
        assert (
            f"| {row['case']} | {row['run']} | {row['seconds']:.4f} | {row['ratio']:.2f} " in page
        )
        assert row["run"] != "torch SDPA" or row["ratio"] == 1
