"""Where the torch parts run, and that what runs on NumPy does not import torch."""

import os
import subprocess
import sys

import pytest
import torch

from attnbook import device, processor, torch_device
from tests.support.kinds import needs_cuda


@pytest.mark.parametrize("name", [None, "cpu"])
def test_the_cpu_is_the_default(monkeypatch, name):
    monkeypatch.delenv("ATTNLIB_DEVICE", raising=False)
    if name:
        monkeypatch.setenv("ATTNLIB_DEVICE", name)
    assert torch_device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:1"])
def test_another_name_is_refused(monkeypatch, name):
    monkeypatch.setenv("ATTNLIB_DEVICE", name)
    with pytest.raises(ValueError, match=f"^ATTNLIB_DEVICE: got {name!r}, expected 'cpu' or 'cuda"):
        torch_device()


def test_a_missing_gpu_is_an_error_and_not_the_cpu(monkeypatch):
    monkeypatch.setenv("ATTNLIB_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="^ATTNLIB_DEVICE: got 'cuda', expected 'cpu' or unset"):
        torch_device()


@needs_cuda
def test_the_gpu_is_asked_for_repeatable_results():
    code = (
        "import torch; from attnbook import torch_device; assert torch_device().type == 'cuda';"
        "assert torch.are_deterministic_algorithms_enabled();"
        "assert not torch.backends.cuda.matmul.allow_tf32"
    )
    subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"ATTNLIB_DEVICE": "cuda"}, check=True
    )


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import attnbook.models.grammar", "torch matplotlib safetensors array_api_compat"),
        ("from attnbook import show, exercises", "torch matplotlib safetensors"),
        ("from attnbook.models import partners; partners.load('one_head')", "torch matplotlib"),
    ],
)
def test_nothing_is_imported_that_is_not_needed(code, absent):
    code = f"import sys; {code}; sys.exit(', '.join(sys.modules.keys() & set({absent.split()})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "\n", done.stderr


def test_the_processor_has_a_name_and_a_number_of_cores():
    name, cores = processor().rsplit(", ", 1)
    assert name and cores == f"{os.cpu_count()} cores"


def test_the_processor_is_named_without_a_proc_file_system(monkeypatch):
    def no_file(*_, **__):
        raise OSError

    monkeypatch.setattr(device, "open", no_file, raising=False)
    assert processor().endswith(f", {os.cpu_count()} cores")
