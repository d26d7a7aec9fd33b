"""Times attnlib beside torch's own attention: python -m benchmarks.attention [--quick].

All rows of a case run in one process and take turns, so that whatever else the machine does meets
them alike; each number is the median of 7 rounds or more, after one round that is not counted.
N = 65,536 is the exception: blockwise alone runs there, once, for its memory. Extra memory is the
peak that torch's allocator (NumPy: tracemalloc) holds beyond the inputs, the result included,
counted in a run of its own. flex_attention is there where a C++ compiler is. Writes
benchmarks/attention.md and attention.json.
"""

import argparse
import functools
import gc
import itertools
import json
import os
import shutil
import statistics
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from tqdm import tqdm

from attnbook import processor
from attnlib import attention, window_mask

HEADS, WIDTH = 8, 64
LENGTHS, QUICK = (1024, 4096, 16384), (256, 512)
LONGEST_FORMULA = 4096  # longer ones are not run: their bytes are computed
LONGEST = 65536  # blockwise alone, once
WINDOW = (256, 256)
FOLDER = Path(__file__).parent
sdpa = scaled_dot_product_attention
blockwise = functools.partial(attention, implementation="blockwise")
formula = functools.partial(attention, implementation="formula")


def inputs(length, dtype=torch.float32, requires_grad=False):
    """Return query, key and value (1, HEADS, length, WIDTH) as tensors."""
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(1, HEADS, length, WIDTH, generator=generator)
        .to(dtype)
        .requires_grad_(requires_grad)
        for _ in range(3)
    ]


def forward_cases(lengths):
    """Yield (case, {name: function}) for forward passes; the first name is what ratios are to."""
    for length in lengths:
        x = inputs(length)
        arrays = [tensor.numpy() for tensor in x]
        runs = {
            "torch SDPA": functools.partial(sdpa, *x),
            "blockwise, torch": functools.partial(blockwise, *x),
            "blockwise, NumPy": functools.partial(blockwise, *arrays),
        }
        if length <= LONGEST_FORMULA:
            runs["formula, torch"] = functools.partial(formula, *x)
            runs["formula, NumPy"] = functools.partial(formula, *arrays)
        yield f"forward, float32, N = {length:,}", runs
        yield (
            f"causal, float32, N = {length:,}",
            {
                "torch SDPA": functools.partial(sdpa, *x, is_causal=True),
                "blockwise, torch": functools.partial(blockwise, *x, is_causal=True),
                "blockwise, NumPy": functools.partial(blockwise, *arrays, is_causal=True),
            },
        )
        low = inputs(length, torch.bfloat16)
        yield (
            f"forward, bfloat16, N = {length:,}",
            {
                "torch SDPA": functools.partial(sdpa, *low),
                "blockwise, torch": functools.partial(blockwise, *low),
            },
        )
    x = inputs(lengths[-1])
    arrays = [tensor.numpy() for tensor in x]
    mask = window_mask(lengths[-1], lengths[-1], window=WINDOW, like=x[0])
    runs = {
        "torch SDPA": functools.partial(sdpa, *x, attn_mask=mask),
        "blockwise, torch": functools.partial(blockwise, *x, window=WINDOW),
        "blockwise, NumPy": functools.partial(blockwise, *arrays, window=WINDOW),
    }
    if shutil.which(os.environ.get("CXX", "g++")):
        runs["flex_attention, compiled"] = compiled_flex_attention(*x)
    yield f"window ±256, float32, N = {lengths[-1]:,}", runs


def compiled_flex_attention(query, key, value):
    """Return torch's flex_attention under the window, compiled; it needs a C++ compiler."""
    left, right = WINDOW

    def in_window(batch, head, i, j):
        return (i - j <= left) & (j - i <= right)

    length = query.shape[-2]
    blocks = create_block_mask(in_window, 1, 1, length, length, device="cpu", _compile=True)
    return functools.partial(torch.compile(flex_attention), query, key, value, block_mask=blocks)


def backward_cases(lengths):
    """Yield (case, {name: function}) for a forward and a backward pass together."""

    def both(function, x):
        torch.autograd.grad(function(*x).sum(), x)

    for length in lengths:
        x = inputs(length, requires_grad=True)
        runs = {
            "torch SDPA": functools.partial(both, sdpa, x),
            "blockwise, torch": functools.partial(both, blockwise, x),
        }
        if length <= LONGEST_FORMULA:
            runs["formula, torch"] = functools.partial(both, formula, x)
        yield f"forward and backward, float32, N = {length:,}", runs


def times(runs, rounds):
    """Return the seconds of every round by name; the runs take turns."""
    seconds = {name: [] for name in runs}
    for i in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if i:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    return seconds


def extra_bytes(name, run):
    """Return the most bytes held at once while it runs, the result included."""
    gc.collect()
    if "NumPy" in name:
        tracemalloc.start()
        run()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak
    with torch.profiler.profile(profile_memory=True) as profiler:
        run()
    events = profiler.profiler.kineto_results.events()
    return max(itertools.accumulate(e.nbytes() for e in events if e.name() == "[memory]"))


def measure(cases, rounds):
    """Return one row per run: case, name, median seconds, ratio to torch SDPA, and megabytes."""
    rows = []
    for case, runs in tqdm(list(cases), disable=not sys.stderr.isatty()):
        seconds = times(runs, rounds)
        first = statistics.median(seconds["torch SDPA"])
        for name, run in runs.items():
            median = statistics.median(seconds[name])
            rows.append(
                {
                    "case": case,
                    "run": name,
                    "seconds": median,
                    "all_seconds": seconds[name],
                    "ratio": median / first,
                    "extra_megabytes": extra_bytes(name, run) / 1e6,
                }
            )
    return rows


def measure_longest(length):
    """Return the row of blockwise at a length that takes a minute: one run, timed and counted."""
    x = inputs(length)
    start = time.perf_counter()
    megabytes = extra_bytes("blockwise, torch", functools.partial(blockwise, *x)) / 1e6
    return {
        "case": f"forward, float32, N = {length:,}, once",
        "run": "blockwise, torch",
        "seconds": time.perf_counter() - start,
        "extra_megabytes": megabytes,
    }


def table(hardware, rows):
    """Return the page that is written: what was measured where, and one line per run."""
    lines = [
        "# Times of attention",
        "",
        f"Made by `make bench` on {hardware['processor']}, {hardware['threads']} threads, "
        f"torch {hardware['torch']}, NumPy {hardware['numpy']}; B = 1, H = {HEADS}, d = {WIDTH}. "
        f"Medians of {hardware['rounds']} rounds in which all runs of a case took turns; the load "
        f"of the machine was {hardware['load'][0]:.1f} at the start and "
        f"{hardware['load'][1]:.1f} at the end.",
        "",
        "| case | run | seconds | of SDPA's time | extra MB |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
        lines.append(
            f"| {row['case']} | {row['run']} | {row['seconds']:.4f} | {ratio} "
            f"| {row['extra_megabytes']:.1f} |"
        )
    lines.append("")
    for length in (16384, LONGEST):
        gigabytes = 2 * HEADS * length**2 * 4 / 1e9
        lines.append(
            f"The formula would hold {gigabytes:,.0f} GB at N = {length:,} "
            f"(scores and weights, {HEADS} heads, float32); it was not run."
        )
    return "\n".join(lines) + "\n"


def write(path, text):
    """Write beside the file and rename, so that nobody reads half of it."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def main():
    """Measure, and write the table and the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="short sequences, a check that it runs"
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count (7)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the two files go")
    options = parser.parse_args()
    lengths = QUICK if options.quick else LENGTHS
    load = os.getloadavg()[0]
    rows = measure(forward_cases(lengths), options.rounds)
    rows += measure(backward_cases(lengths[:2]), options.rounds)
    rows.append(measure_longest(QUICK[-1] if options.quick else LONGEST))
    hardware = {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "rounds": options.rounds,
        "load": [load, os.getloadavg()[0]],
    }
    options.folder.mkdir(exist_ok=True)
    write(
        options.folder / "attention.json",
        json.dumps({"hardware": hardware, "rows": rows}, indent=1) + "\n",
    )
    page = table(hardware, rows)
    write(options.folder / "attention.md", page)
    print(page)


if __name__ == "__main__":
    main()
