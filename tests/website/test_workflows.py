"""actionlint reads every workflow, and the GPU's starts by hand only."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.notebooks import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())
ACTIONLINT = shutil.which(
    "actionlint", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
)
needs_actionlint = pytest.mark.skipif(
    ACTIONLINT is None,
    reason="actionlint is not installed: it has a wheel for Linux on x86_64 only",
)


def lint(path):
    """Run actionlint on one workflow, with the repository's own configuration."""
    command = [ACTIONLINT, "-config-file", str(ROOT / ".github" / "actionlint.yaml"), str(path)]
    return subprocess.run(command, capture_output=True, text=True)


@needs_actionlint
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actionlint_finds_no_fault(path):
    done = lint(path)
    assert done.returncode == 0, done.stdout


@needs_actionlint
@pytest.mark.parametrize(
    "right, wrong", [("runs-on: ubuntu", "runs-one: ubuntu"), ("matrix.python", "matrix.snake")]
)
def test_actionlint_finds_a_fault(right, wrong, tmp_path):
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "test.yml").write_text(text.replace(right, wrong), encoding="utf-8")
    assert lint(tmp_path / "test.yml").returncode == 1


def test_the_gpu_job_starts_by_hand_only():
    text = (ROOT / ".github" / "workflows" / "gpu.yml").read_text(encoding="utf-8")
    assert "\non:\n  workflow_dispatch:\npermissions:" in text
    assert text.count("runs-on: [self-hosted, gpu]") == text.count("runs-on:") == 1
