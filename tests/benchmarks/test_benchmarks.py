"""The benchmarks run, and their tables and JSON files say the same."""

import json
import os
import shutil
import sys

import pytest
import torch

from benchmarks import attention as benchmark
from benchmarks import dilated, gpu


def test_a_short_benchmark_writes_a_table_and_a_json_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "QUICK", (16, 24))
    monkeypatch.setattr(shutil, "which", lambda name: None)  # flex_attention compiles for a while
    monkeypatch.setattr(
        sys, "argv", ["attention", "--quick", "--rounds", "1", "--folder", str(tmp_path)]
    )
    benchmark.main()
    page = (tmp_path / "attention.md").read_text()
    record = json.loads((tmp_path / "attention.json").read_text())
    assert capsys.readouterr().out == page + "\n"
    assert f"torch {record['hardware']['torch']}" in page and torch.__version__ in page
    assert {path.name for path in tmp_path.iterdir()} == {"attention.md", "attention.json"}
    *rows, longest = record["rows"]
    assert longest["run"] == "blockwise, torch" and f"| {longest['case']} |" in page
    for row in rows:
        assert row["seconds"] > 0 and len(row["all_seconds"]) == 1 and row["extra_megabytes"] > 0
        assert (
            f"| {row['case']} | {row['run']} | {row['seconds']:.4f} | {row['ratio']:.2f} " in page
        )
        assert row["run"] != "torch SDPA" or row["ratio"] == 1


def test_the_gpu_benchmark_writes_its_table_in_the_interpreter(tmp_path, monkeypatch, capsys):
    if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("neither a CUDA device nor Triton's interpreter")
    monkeypatch.setattr(sys, "argv", ["gpu", "--quick", "--folder", str(tmp_path)])
    gpu.main()
    page = (tmp_path / "gpu.md").read_text()
    record = json.loads((tmp_path / "gpu.json").read_text())
    assert capsys.readouterr().out == page + "\n"
    passes = {(row["case"].split(",")[0], row["run"]) for row in record["rows"]}
    assert ("forward", "triton") in passes and ("forward and backward", "triton") in passes
    for row in record["rows"]:
        assert row["teraflops"] > 0
        assert f"| {row['case']} | {row['run']} | {row['milliseconds']:.3f} " in page


def test_the_gpu_benchmark_counts_the_operations_of_two_and_of_seven_products():
    # forward: Q Kᵀ and P V; backward: Q Kᵀ again, dP, dV, dQ and dK; a product is 2·N·N·d
    assert gpu.operations(heads=3, length=5, width=7, backward=False) == 3 * 2 * 2 * 5 * 5 * 7
    assert gpu.operations(heads=3, length=5, width=7, backward=True) == 3 * 7 * 2 * 5 * 5 * 7


def test_the_gpu_benchmark_says_what_it_lacks(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu"])
    with pytest.raises(SystemExit, match="no CUDA device here"):
        gpu.main()


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_a_short_benchmark_of_dilated_attention(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)  # compiling takes a while
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(
        sys, "argv", ["dilated", "--quick", "--rounds", "1", "--folder", str(tmp_path)]
    )
    dilated.main()
    page = (tmp_path / "dilated.md").read_text()
    record = json.loads((tmp_path / "dilated.json").read_text())
    assert capsys.readouterr().out == page + "\n"
    assert {path.name for path in tmp_path.iterdir()} == {"dilated.md", "dilated.json"}
    for row in record["rows"]:
        assert row["seconds"] > 0 and len(row["all_seconds"]) == 1
        assert f"| {row['run']} | {row['pairs_a_word']:,.0f} | {row['seconds']:.4f} " in page
        assert row["run"] != dilated.DENSE or row["faster"] == 1


def test_the_count_at_the_longest_is_that_of_the_settings_of_longnet():
    segments, rates = dilated.branches(65536, 2048)
    assert segments == [2048, 4096, 8192, 16384, 32768, 65536] and rates == [1, 2, 4, 8, 16, 32]
    assert round(65536 / dilated.pairs_a_word(segments, rates), 2) == 16.25
