"""Times the Triton kernel beside torch's kernels on a GPU: python -m benchmarks.gpu [--quick].

Runs of a case take turns; each number is the median of 20 rounds after 5 that are not counted,
between two events of the GPU's own clock. TFLOP/s count the formula's matrix products alone, of
which a backward pass has five: it computes the scores again. The peak is measured too, as the best
bfloat16 product of two square matrices. Writes benchmarks/gpu.md and gpu.json.
"""

import argparse
import functools
import json
import statistics
import sys
import time
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from tqdm import tqdm

from attnlib import attention
from benchmarks.attention import write

HEADS, LENGTHS, WIDTHS = 16, (1024, 2048, 4096, 8192, 16384), (64, 128)
DTYPE = torch.bfloat16
FOLDER = Path(__file__).parent


def operations(heads, length, width, backward):
    """Return the multiplications and additions of the products: two forward, five more backward."""
    products = 7 if backward else 2
    return heads * products * 2 * length**2 * width


def torch_kernel(backend, *x):
    """Run torch's attention by one of its kernels and no other."""
    with sdpa_kernel(backend):
        return scaled_dot_product_attention(*x)


def both_passes(function, *x):
    """Run a forward and a backward pass."""
    torch.autograd.grad(function(*x).sum(), x)


def cases(device, lengths, widths):
    """Yield (case, operations, {name: function})."""
    functions = {"triton": functools.partial(attention, implementation="triton")}
    if device == "cuda":
        functions = {
            "torch, flash": functools.partial(torch_kernel, SDPBackend.FLASH_ATTENTION),
            "torch, cuDNN": functools.partial(torch_kernel, SDPBackend.CUDNN_ATTENTION),
        } | functions
    for width in widths:
        for length in lengths:
            shape = (1, HEADS, length, width)
            x = [torch.randn(shape, device=device, dtype=DTYPE) for _ in range(3)]
            name = f"forward, d = {width}, N = {length:,}"
            runs = {name: functools.partial(f, *x) for name, f in functions.items()}
            yield name, operations(HEADS, length, width, False), runs
            x = [tensor.detach().requires_grad_() for tensor in x]
            name = f"forward and backward, d = {width}, N = {length:,}"
            runs = {name: functools.partial(both_passes, f, *x) for name, f in functions.items()}
            yield name, operations(HEADS, length, width, True), runs


def milliseconds(run, device):
    """Return how long one run takes."""
    if device == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end)
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def medians(runs, device, rounds, warm_up):
    """Return the median milliseconds of each run by name, or None where a kernel refuses."""
    taken = {name: [] for name in runs}
    for i in range(warm_up + rounds):
        for name, run in runs.items():
            if taken[name] is None:
                continue
            try:
                one = milliseconds(run, device)
            except RuntimeError:  # torch has no such kernel for this card
                taken[name] = None
                continue
            if i >= warm_up:
                taken[name].append(one)
    return {name: times and statistics.median(times) for name, times in taken.items()}


def peak_teraflops(device, size, rounds):
    """Return the best rate of a product of two square matrices."""
    x, y = (torch.randn(size, size, device=device, dtype=DTYPE) for _ in range(2))
    best = min(milliseconds(lambda: x @ y, device) for _ in range(rounds))
    return 2 * size**3 / best / 1e9


def measure(device, lengths, widths, rounds, warm_up, peak):
    """Return one row per run: case, name, milliseconds, TFLOP/s and the share of the peak."""
    rows = []
    for case, count, runs in tqdm(
        list(cases(device, lengths, widths)), disable=not sys.stderr.isatty()
    ):
        for name, median in medians(runs, device, rounds, warm_up).items():
            if median is not None:
                rate = count / median / 1e9
                row = {"case": case, "run": name, "milliseconds": median, "teraflops": rate}
                rows.append(row | {"share_of_peak": rate / peak})
    return rows


def table(hardware, rows):
    """Return the page that is written."""
    lines = [
        "# Times of attention on a GPU",
        "",
        f"Made by `python -m benchmarks.gpu` on {hardware['card']}, torch {hardware['torch']}; "
        f"B = 1, H = {HEADS}, bfloat16. Medians of {hardware['rounds']} rounds in which all runs "
        f"of a case took turns. The best matrix product measured: {hardware['peak']:.3g} TFLOP/s.",
        "",
        "| case | run | ms | TFLOP/s | of the peak |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        lines.append(
            f"| {row['case']} | {row['run']} | {row['milliseconds']:.3f} "
            f"| {row['teraflops']:.3g} | {row['share_of_peak']:.0%} |"
        )
    return "\n".join(lines) + "\n"


def main():
    """Measure, and write the table and the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="tiny, to see that it runs; without a GPU interpreted"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the two files go")
    options = parser.parse_args()
    has_gpu = torch.cuda.is_available()
    if not has_gpu and not options.quick:
        sys.exit("benchmarks.gpu: torch finds no CUDA device here; --quick runs interpreted")
    device = "cuda" if has_gpu else "cpu"
    size, rounds, warm_up = (16, 1, 0) if options.quick else (8192, 20, 5)
    peak = peak_teraflops(device, size, rounds)
    lengths, widths = ((16,), (16,)) if options.quick else (LENGTHS, WIDTHS)
    rows = measure(device, lengths, widths, rounds, warm_up, peak)
    hardware = {
        "card": torch.cuda.get_device_name() if has_gpu else "no GPU (interpreted)",
        "torch": torch.__version__,
        "rounds": rounds,
        "peak": peak,
    }
    options.folder.mkdir(exist_ok=True)
    record = json.dumps({"hardware": hardware, "rows": rows}, indent=1) + "\n"
    write(options.folder / "gpu.json", record)
    page = table(hardware, rows)
    write(options.folder / "gpu.md", page)
    print(page)


if __name__ == "__main__":
    main()
