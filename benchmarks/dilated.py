"""Times dilated attention beside dense attention: python -m benchmarks.dilated [--quick].

Three questions. How do the times of dense, window and dilated attention grow with the length? How
much of what the operation count allows is left at the longest one, and where does the rest go? For
the last, the same products are timed without views and mixing, by torch's SDPA and by attnlib, as
plain attention over many short sequences. And how does one branch compare with torch's compiled
flex_attention, given the same mask (where there is a C++ compiler)?

Runs of a case take turns; each number is the median of the rounds after one that is not counted.
Dense attention from 32,768 words on has one round. Writes benchmarks/dilated.md and dilated.json.
"""

import argparse
import functools
import json
import os
import shutil
import statistics
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from tqdm import tqdm

from attnbook import processor
from attnlib import attention, dilated_attention
from benchmarks.attention import FOLDER, HEADS, WIDTH, inputs, times, write

SHORTEST, LENGTHS = 2048, (4096, 8192, 16384, 32768, 65536)
FLEX_LENGTH, FLEX_RATE = 16384, 4
SLOW = 32768  # dense attention of so many words has one round
DENSE, DILATED, FLEX = "dense, torch SDPA", "dilated", "flex_attention, compiled"
SAME = "the same products, torch SDPA", "the same products, attention"


def branches(length, shortest):
    """Return segment lengths shortest · 2^i up to the length, and dilation rates 2^i."""
    segments = [shortest << i for i in range((length // shortest).bit_length())]
    return segments, [1 << i for i in range(len(segments))]


def pairs_a_word(segments, rates):
    """Return how many keys a word is scored with in one head, on average, the branches added up."""
    return sum(w / r**2 for w, r in zip(segments, rates, strict=True))


def growth_cases(lengths, shortest):
    """Yield (case, length, pairs per word, {name: function}) for dense, window and dilated."""
    for length in lengths:
        x = inputs(length)
        segments, rates = branches(length, shortest)
        keys = pairs_a_word(segments, rates)
        window = (int(keys) // 2, int(keys) // 2)
        runs = {
            DENSE: functools.partial(scaled_dot_product_attention, *x),
            DILATED: functools.partial(
                dilated_attention, *x, segment_lengths=segments, dilation_rates=rates
            ),
            "window": functools.partial(attention, *x, window=window),
        }
        if length == lengths[-1]:  # every branch has problems of `shortest` kept words
            problems = round(length * keys / shortest**2)
            short = [torch.randn(problems, HEADS, shortest, WIDTH) for _ in range(3)]
            runs[SAME[0]] = functools.partial(scaled_dot_product_attention, *short)
            runs[SAME[1]] = functools.partial(attention, *short)
        yield f"N = {length:,}, segments from {shortest:,}", length, keys, runs


def flex_case(length, rate):
    """Return the case of one branch, its segment the whole length, beside compiled flex_attention.

    Raises: RuntimeError where the two do not agree.
    """
    x = inputs(length)
    heads_an_offset = -(-HEADS // rate)

    def is_open(b, h, i, j):
        offset = h // heads_an_offset
        return (i % rate == offset) & (j % rate == offset)

    make_mask = torch.compile(create_block_mask)  # uncompiled it takes length² bytes and more
    mask = make_mask(is_open, None, HEADS, length, length, device="cpu")
    flex = functools.partial(torch.compile(flex_attention, dynamic=False), *x, block_mask=mask)
    dilated = functools.partial(
        dilated_attention, *x, segment_lengths=[length], dilation_rates=[rate]
    )
    kept = torch.arange(length) % rate == torch.arange(HEADS)[:, None] // heads_an_offset  # (H, N)
    difference = (flex()[0][kept] - dilated()[0][kept]).abs().max()
    if not difference < 1e-4:
        raise RuntimeError(f"flex_attention and dilated_attention differ by {difference:.2g}")
    runs = {
        DENSE: functools.partial(scaled_dot_product_attention, *x),
        FLEX: flex,
        DILATED: dilated,
    }
    return f"N = {length:,}, one segment, rate {rate}", length, pairs_a_word([length], [rate]), runs


def measure(cases, rounds, slow=SLOW):
    """Return one row per run: case, length, pairs per word, seconds, and speed against dense."""
    rows = []
    for case, length, keys, runs in tqdm(list(cases), disable=not sys.stderr.isatty()):
        once = {DENSE: runs[DENSE]} if length >= slow else {}
        seconds = times(once, 1) | times({n: r for n, r in runs.items() if n not in once}, rounds)
        dense = statistics.median(seconds[DENSE])
        for name in runs:
            median = statistics.median(seconds[name])
            rows.append(
                {
                    "case": case,
                    "length": length,
                    "pairs_a_word": length if name == DENSE else keys,
                    "run": name,
                    "seconds": median,
                    "all_seconds": seconds[name],
                    "faster": dense / median,
                }
            )
    return rows


def exponent(rows, name):
    """Return the slope of log seconds against log length, over the cases of growth."""
    points = [(r["length"], r["seconds"]) for r in rows if r["run"] == name and "from" in r["case"]]
    return np.polyfit(*np.log(np.array(points).T), 1)[0]


def table(hardware, rows):
    """Return the page that is written."""
    lines = [
        "# Times of dilated attention",
        "",
        f"Made by `make bench` on {hardware['processor']}, {hardware['threads']} threads, "
        f"torch {hardware['torch']}; float32, B = 1, H = {HEADS}, d = {WIDTH}; segments double and "
        f"rates double from branch to branch. Medians of {hardware['rounds']} rounds in which the "
        f"runs of a case took turns (dense attention from {SLOW:,} words on: one); the load of the "
        f"machine was {hardware['load'][0]:.1f} at the start and {hardware['load'][1]:.1f} at the "
        "end.",
        "",
        "| case | run | pairs a word | seconds | faster than dense | by the count |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        lines.append(
            f"| {row['case']} | {row['run']} | {row['pairs_a_word']:,.0f} | {row['seconds']:.4f} "
            f"| {row['faster']:.2f} | {row['length'] / row['pairs_a_word']:.2f} |"
        )
    lines.append("")
    fits = [f"{exponent(rows, n):.2f} for {n}" for n in (DENSE, "window", DILATED)]
    lines.append(f"Exponents of the time, fitted over the lengths: {', '.join(fits)}.")
    last = {row["run"]: row for row in rows if "from" in row["case"]}  # the longest comes last
    by_sdpa, by_attention = (last[name]["seconds"] for name in SAME)
    lines.append(
        f"At the longest, {last[DENSE]['seconds'] / by_sdpa:.2f} is left when SDPA computes the "
        f"same products; attnlib takes {by_attention / by_sdpa:.2f} of SDPA's time for them, and "
        f"views, log-sum-exps and mixing {last[DILATED]['seconds'] / by_attention:.2f} of that."
    )
    one = {row["run"]: row["seconds"] for row in rows if "rate" in row["case"]}
    if one:
        lines.append(
            f"One branch is {one[FLEX] / one[DILATED]:.2f} times as fast as flex_attention."
        )
    return "\n".join(lines) + "\n"


def main():
    """Measure, and write the table and the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="short sequences, a check that it runs"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (5)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the two files go")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with torch.no_grad():
        cases = list(growth_cases(*((128, 256), 64) if options.quick else (LENGTHS, SHORTEST)))
        if shutil.which(os.environ.get("CXX", "g++")):
            cases.append(flex_case(256 if options.quick else FLEX_LENGTH, FLEX_RATE))
        rows = measure(cases, options.rounds)
    hardware = {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "rounds": options.rounds,
        "load": [load, os.getloadavg()[0]],
    }
    options.folder.mkdir(exist_ok=True)
    write(
        options.folder / "dilated.json",
        json.dumps({"hardware": hardware, "rows": rows}, indent=1) + "\n",
    )
    page = table(hardware, rows)
    write(options.folder / "dilated.md", page)
    print(page)


if __name__ == "__main__":
    main()
