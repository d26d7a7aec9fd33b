"""The workflows call commands that exist, and the one for the GPU starts by hand only."""

import re

import pytest
import yaml

from tests.support.notebooks import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = " ".join(re.findall(r"^(?:COMMANDS :=|\.PHONY:)(.*)", MAKEFILE, re.M)).split()


def jobs(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_command_exists(path):
    runs = [step["run"] for job in jobs(path) for step in job["steps"] if "run" in step]
    for program, name in re.findall(r"(make|do\.py) ([a-z-]+)", "\n".join(runs)):
        assert name in TARGETS, f"{program} {name}"
    for script in re.findall(r"^\.[\w/]+", "\n".join(runs), re.M):
        assert (ROOT / script).exists(), script


def test_the_gpu_job_starts_by_hand_only():
    path = ROOT / ".github" / "workflows" / "gpu.yml"
    assert "\non:\n  workflow_dispatch:\npermissions:" in path.read_text(encoding="utf-8")
    assert [job["runs-on"] for job in jobs(path)] == [["self-hosted", "gpu"]]
