"""What is uploaded: licences, bounds and contents of the packages' archives."""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("picogen-core", "picogen-backbones", "picogen-metrics", "picogen-cli")
SMALL = ("picogen-core", "picogen-metrics", "picogen-cli")  # without weights


def project(name: str) -> dict:
    return tomllib.loads((ROOT / "packages" / name / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_says_whose_it_is(name: str):
    assert (ROOT / "packages" / name / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    found = project(name)
    assert found["authors"] and found["urls"] and found["license-files"] == ["LICENSE"]
    pythons = [one.rpartition(" ")[2] for one in found["classifiers"] if "Python :: 3." in one]
    assert pythons == ["3.11", "3.12", "3.13"] and found["requires-python"] == ">=3.11"
    for line in (ROOT / "packages" / name / "README.md").read_text().splitlines():
        assert "](" not in line or "](http" in line, f"a relative link: {line}"


@pytest.mark.parametrize("name", PACKAGES)
def test_every_dependency_has_a_lower_bound(name: str):
    found = project(name)
    extras = found.get("optional-dependencies", {})
    lines = [*found["dependencies"], *(line for each in extras.values() for line in each)]
    for line in lines:
        assert "==" in line or ">=" in line or line.startswith("picogen-cli["), line


@pytest.mark.parametrize("name", SMALL)
def test_archives_hold_the_licence_and_no_tests(name: str, tmp_path: Path):
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT / "packages" / name, check=True, capture_output=True)
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.namelist()
    assert any(file.endswith("licenses/LICENSE") for file in inside)
    with tarfile.open(sdist) as packed:
        inside += packed.getnames()
    assert any(file.endswith("0/LICENSE") for file in inside)
    assert not [f for f in inside if f.endswith((".pth", ".safetensors")) or "/tests/" in f]
