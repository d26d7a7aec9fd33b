"""The benchmarks' cases run, their instruments measure, and table and JSON file say the same.

The numbers in the tables are made up here: no test waits for a measurement.
"""

import json
import os

import numpy as np
import pytest
import torch

from benchmarks import attention as benchmark
from benchmarks import dilated, gpu


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    """Leave flex_attention out, whose compilation takes half a minute."""
    monkeypatch.setattr("shutil.which", lambda name: None)


# The tables, of made-up rows.


@pytest.fixture
def written(tmp_path, monkeypatch, capsys):
    """Return a function that runs a benchmark's main and returns the page and the recorded rows."""

    def run(module, name, rows):
        monkeypatch.setattr("sys.argv", [name, "--quick", "--folder", str(tmp_path)])
        monkeypatch.setattr(module, "measure", lambda *_: rows)
        module.main()
        page = (tmp_path / f"{name}.md").read_text(encoding="utf-8")
        assert capsys.readouterr().out == page + "\n"
        assert {path.name for path in tmp_path.iterdir()} == {f"{name}.md", f"{name}.json"}
        record = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        assert record["hardware"]["torch"] == torch.__version__ and torch.__version__ in page
        return page, record["rows"]

    return run


def test_the_table_of_attention(written, monkeypatch):
    fast = {"case": "causal", "run": "NumPy", "seconds": 0.19556, "ratio": 0.7824}
    fast |= {"all_seconds": [0.19556], "extra_megabytes": 1234.56}
    longest = {"case": "once", "run": "torch", "seconds": 61.5, "extra_megabytes": 150.0}
    monkeypatch.setattr(benchmark, "measure_longest", lambda length: longest)
    page, rows = written(benchmark, "attention", [fast])
    assert rows == [fast, fast, longest]  # forward, forward and backward, the longest
    assert "| causal | NumPy | 0.1956 | 0.78 | 1234.6 |\n" in page
    assert "| once | torch | 61.5000 |  | 150.0 |\n" in page
    assert "would hold 275 GB at N = 65,536" in page  # 2 · 8 heads · 65,536² · 4 bytes


def test_the_table_of_dilated_attention(written):
    def row(length, run, seconds, pairs, case="segments from 64"):
        row = {"case": f"N = {length}, {case}", "length": length, "run": run, "seconds": seconds}
        return row | {"pairs_a_word": pairs, "faster": 4 / seconds}

    rows = [row(n, dilated.DENSE, n**2 / 2**20, n) for n in (1024, 2048)]
    rows += [row(n, "window", n / 1024, 100) for n in (1024, 2048)]
    rows += [row(n, dilated.DILATED, n**1.5 / 2**15, 128) for n in (1024, 2048)]
    rows += [row(2048, name, s, 128) for name, s in zip(dilated.SAME, (0.5, 0.75), strict=True)]
    one = "one segment, rate 4"
    rows += [row(2048, dilated.FLEX, 3.0, 9, one), row(2048, dilated.DILATED, 1.5, 9, one)]
    page, kept = written(dilated, "dilated", rows)
    assert kept == rows
    assert "| N = 2048, segments from 64 | dilated | 128 | 2.8284 | 1.41 | 16.00 |\n" in page
    assert "lengths: 2.00 for dense, torch SDPA, 1.00 for window, 1.50 for dilated." in page
    assert "8.00 is left when SDPA computes the same products; attnlib takes 1.50" in page
    assert "2.00 times as fast as flex_attention" in page


def test_the_table_of_the_gpu(written):
    row = {"case": "forward", "run": "triton", "milliseconds": 1.23456, "teraflops": 321.5}
    page, rows = written(gpu, "gpu", [row | {"share_of_peak": 0.456}])
    assert rows == [row | {"share_of_peak": 0.456}]
    assert "| forward | triton | 1.235 | 322 | 46% |\n" in page


# What is measured.


def test_every_case_runs():
    cases = [*benchmark.forward_cases((16,)), *benchmark.backward_cases((16,))]
    assert {len(runs) for _, runs in cases} == {2, 3, 5}
    for _, runs in cases:
        for run in runs.values():
            run()
    for _, _, _, runs in dilated.growth_cases((128, 256), 64):
        for run in runs.values():
            run()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_one_branch_beside_flex_attention(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    with torch.no_grad():
        _, length, pairs, runs = dilated.flex_case(256, 4)  # it checks that the two agree
    assert (length, pairs, len(runs)) == (256, 256 / 16, 3)


def test_the_runs_of_a_case_take_turns():
    calls = []
    seconds = benchmark.times({n: lambda n=n: calls.append(n) for n in "ab"}, rounds=2)
    assert calls == ["a", "b"] * 3  # the first round is not counted
    assert seconds.keys() == {"a", "b"} and all(len(s) == 2 for s in seconds.values())


def test_ratios_are_to_the_first_run(monkeypatch):
    monkeypatch.setattr(benchmark, "times", lambda *_: {"torch SDPA": [1, 2, 9], "ours": [3, 4, 5]})
    monkeypatch.setattr(benchmark, "extra_bytes", lambda name, run: 3e6)
    first, second = benchmark.measure([("case", {"torch SDPA": None, "ours": None})], 3)
    assert (first["seconds"], first["ratio"], second["ratio"]) == (2, 1, 2)
    assert second["extra_megabytes"] == 3 and second["all_seconds"] == [3, 4, 5]


def test_the_extra_bytes_are_those_held_at_once():
    def torch_run():
        torch.ones(1_000_000)  # given back before the next
        torch.ones(500_000)

    def numpy_run():
        np.ones(1_000_000, np.float32)
        np.ones(500_000, np.float32)

    assert benchmark.extra_bytes("torch", torch_run) == 4_000_000
    assert 4_000_000 <= benchmark.extra_bytes("NumPy", numpy_run) < 4_100_000


@pytest.mark.slow
def test_the_gpu_benchmark_runs_in_the_interpreter():
    if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("neither a CUDA device nor Triton's interpreter")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = gpu.measure(device, (16,), (16,), rounds=1, warm_up=0, peak=2.0)
    passes = {(row["case"].split(",")[0], row["run"]) for row in rows}
    assert {("forward", "triton"), ("forward and backward", "triton")} <= passes
    for row in rows:
        assert row["teraflops"] > 0 and row["share_of_peak"] == row["teraflops"] / 2


def test_the_gpu_benchmark_counts_the_operations_of_two_and_of_seven_products():
    # forward: Q Kᵀ and P V; backward: Q Kᵀ again, dP, dV, dQ and dK; a product is 2·N·N·d
    assert gpu.operations(heads=3, length=5, width=7, backward=False) == 3 * 2 * 2 * 5 * 5 * 7
    assert gpu.operations(heads=3, length=5, width=7, backward=True) == 3 * 7 * 2 * 5 * 5 * 7


def test_the_gpu_benchmark_says_what_it_lacks(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu"])
    with pytest.raises(SystemExit, match="no CUDA device here"):
        gpu.main()


def test_the_count_at_the_longest_is_that_of_the_settings_of_longnet():
    segments, rates = dilated.branches(65536, 2048)
    assert segments == [2048, 4096, 8192, 16384, 32768, 65536] and rates == [1, 2, 4, 8, 16, 32]
    assert round(65536 / dilated.pairs_a_word(segments, rates), 2) == 16.25
