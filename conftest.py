"""What holds for every test: threads, the slow ones, and what is skipped for want of a program."""

import os
from importlib.util import find_spec

# One thread per worker, in this process and in the notebooks' kernels.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

# Without a GPU the Triton kernel runs in Triton's interpreter; triton reads this when imported.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

import pytest

from attnbook.models import minilm
from tests.support.notebooks import ROOT, scratch

pytest_plugins = ["tests.support.nbval_pictures", "tests.support.chromium"]

HAS_TRITON = find_spec("triton") is not None  # Linux only
NEEDS_TRITON = ["attnlib/implementations/triton_*.py", "attnbook/notebook/compile_kernel.py"]
collect_ignore_glob = [] if HAS_TRITON else NEEDS_TRITON
collect_ignore = [str(path) for path in scratch(ROOT / "chapters")]

READS_THE_WEIGHTS = "trained_model.ipynb"  # and what is marked minilm
# What takes long starts first, so that at the end no worker is left alone with it.
LONG = ("tests/website", "tests/attnbook", "tests/chapters", "chapters")
LEFT_OUT = pytest.StashKey[int]()  # the number of slow tests that do not run


def pytest_addoption(parser):
    parser.addoption(
        "--slow", action="store_true", help="run the slow tests too, as where CI is set"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Leave out the slow tests, and skip those that need triton or weights that are not here.

    Where CI is set nothing is left out, and missing weights are a failure.
    """
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
    may_skip = not os.environ.get("CI")
    if may_skip and not config.option.slow:
        slow = [item for item in items if item.get_closest_marker("slow")]
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        config.stash[LEFT_OUT] = len(slow)
    no_triton = "triton is not installed; it exists for Linux only"
    no_weights = f"{minilm.FILES.name} is not in {minilm.FILES.where()}: "
    no_weights += "run `python -m attnbook.models.minilm`"
    no_weights_here = may_skip and not minilm.FILES.is_here()
    for item in items:
        if item.path.name == "gpu_kernel.ipynb" and not HAS_TRITON:
            item.add_marker(pytest.mark.skip(reason=no_triton))
        if item.path.name == READS_THE_WEIGHTS or item.get_closest_marker("minilm"):
            if no_weights_here:
                item.add_marker(pytest.mark.skip(reason=no_weights))


# Of a worker's deselected tests pytest-xdist reports nothing; each worker collects all of them.


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    if count := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"slow tests left out: {count} (--slow or CI=1 runs them)")
