"""Packages of one plugin, written from the templates that docs/plugins.md shows."""

from __future__ import annotations

import json
import keyword
import re
from dataclasses import dataclass
from pathlib import Path

from picogen_core import BadInput, ConfigError
from picogen_core.plugins.discovery import NAME
from picogen_core.plugins.registry import registry
from picogen_core.runtime.files import write_atomic

TEMPLATES = Path(__file__).parent / "templates"
TUNES = ("CDEF GABc|dcBA GFED|C2E2 G2c2|C8|]", "GABc dcBA|GFED C4|D2F2 A2d2|G8|]",
         "FGAB cdef|fedc BAGF|F2A2 c2f2|F8|]")  # fmt: skip
KEYS = ("C", "G", "F")


@dataclass(frozen=True)
class Package:
    """Names of a new package: `picogen-my-gru` with the module `picogen_my_gru`."""

    kind: str
    name: str

    @property
    def distribution(self) -> str:
        return f"picogen-{re.sub(r'[-_.]+', '-', self.name)}"

    @property
    def module(self) -> str:
        return self.distribution.replace("-", "_")

    def files(self) -> dict[str, str]:
        """Return every file of the package, by its path."""
        test = f"tests/test_{self.module.removeprefix('picogen_')}.py"
        files = {
            "pyproject.toml": self._filled("pyproject.toml"),
            "README.md": self._filled("README.md"),
            f"src/{self.module}/__init__.py": self.source(),
            f"src/{self.module}/py.typed": "",
            test: self._filled("checks.py"),
        }
        if self.kind == "source":
            files[test] = self._filled("source_checks.py")
            files["tests/three.jsonl"] = _three_tunes()
        return files

    def source(self) -> str:
        """The plugin's module."""
        return self._filled(f"{self.kind}.py")

    def _filled(self, template: str) -> str:
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        titled = "".join(word.capitalize() for word in re.split(r"[-_.]+", self.name))
        for blank, value in (
            ("MyOptions", f"{titled}Options"),
            ("my-name", self.name),
            ("my-distribution", self.distribution),
            ("test_my_module", f"test_{self.module.removeprefix('picogen_')}"),
            ("my_module", self.module),
            ("KIND", self.kind),
        ):
            text = text.replace(blank, value)
        return text


def plan_package(kind: str, name: str) -> Package:
    """Return the package of a new plugin.

    Raises:
        ConfigError: the name cannot be one, or a plugin has it.
    """
    package = Package(kind, name)
    if not NAME.fullmatch(name) or not name[0].isalpha() or keyword.iskeyword(package.module):
        raise ConfigError(
            f"{name!r} is no name for a plugin: begin with a small letter, then small letters, "
            "digits, '-', '_' and '.'."
        )
    for entry in registry().all(kind):
        if entry.name == name:
            raise ConfigError(f"{entry.where} is there already. Take another name.")
    return package


def write_package(package: Package, folder: Path) -> list[str]:
    """Write the package's files and return their paths in the folder.

    Raises:
        BadInput: there is something at `folder`, or it cannot be written.
    """
    if folder.exists() or folder.is_symlink():
        raise BadInput(f"{folder} exists. Name another folder with --output-dir.")
    files = package.files()
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(folder / path, text.encode())
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror}.") from None
    return sorted(files)


def _three_tunes() -> str:
    tunes = (
        f"X:{number}\nT:Tune {number}\nM:4/4\nL:1/8\nK:{key}\n{bars}\n"
        for number, (key, bars) in enumerate(zip(KEYS, TUNES, strict=True), 1)
    )
    return "".join(json.dumps({"abc": tune}) + "\n" for tune in tunes)
