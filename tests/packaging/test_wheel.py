"""What is built is what people install: wheel and sdist, each in a clean environment, with src/ out of reach."""

import os
import runpy
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from proxy.overview.revision import of_checkout

ROOT = Path(__file__).parents[2]
PARTS = (
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "CHANGELOG.md",
    "csrc",
    "src",
    "docs",
    "tests/vectors",
)
PROGRAM = """
import sys
import frames, frames._native, frames.codec, frames.wire
import penstock, penstock.settings, penstock.settings.file
import proxy, proxy.gateway.app, proxy.cli.main, proxy.cli.demo_service
from penstock import Service
from proxy.admin.operator_page import operator_page
assert operator_page().status == 200
for module in (frames, frames._native, penstock, proxy):
    assert module.__file__.startswith(sys.prefix), module.__file__
print("imported")
"""


REVISION = "0123456789abcdef0123456789abcdef01234567"


def run(*command: str | Path, folder: Path, **variables: str) -> str:
    """Run a program that knows nothing of this checkout, and return what it says."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PENSTOCK_", "PYTHON"))}
    environment |= variables
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both distributions, built from a copy without anything that was built before."""
    source = tmp_path_factory.mktemp("source")
    for part in PARTS:
        (source / part).parent.mkdir(exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(
                ROOT / part, source / part, ignore=shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__")
            )
        else:
            shutil.copy(ROOT / part, source / part)
    run(
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        "dist",
        ".",
        folder=source,
        SOURCE_REVISION=REVISION,
    )
    return source / "dist"


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


@pytest.mark.slow
def test_the_wheel_is_for_every_python_from_3_11(built: Path) -> None:
    wheel = only(built, "*.whl")
    assert "-cp311-abi3-" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert {"frames/_native.abi3.so", "frames/py.typed", "penstock/py.typed", "proxy/py.typed"} <= set(names)
    assert [name for name in names if name.endswith(".data/data/share/man/man1/penstock.1")]
    assert not [name for name in names if name.startswith(("tests/", "csrc/", "benchmarks/"))]


@pytest.mark.slow
def test_the_revision_is_in_both_as_it_was_given(built: Path) -> None:
    wheel = zipfile.ZipFile(only(built, "*.whl"))
    assert wheel.read("proxy/overview/revision.txt").decode() == f"{REVISION}\n"
    with tarfile.open(only(built, "*.tar.gz")) as archive:
        (member,) = [each for each in archive.getmembers() if each.name.endswith("/src/proxy/overview/revision.txt")]
        told = archive.extractfile(member)
        assert told is not None
        assert told.read().decode() == f"{REVISION}\n"
    assert not (ROOT / "src" / "proxy" / "overview" / "revision.txt").exists()


def test_a_checkout_tells_its_revision_to_a_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("setuptools.setup", lambda **options: None)
    monkeypatch.delenv("SOURCE_REVISION", raising=False)
    assert runpy.run_path(str(ROOT / "setup.py"))["revision"]() == of_checkout(ROOT)


@pytest.mark.slow
def test_the_sdist_has_what_it_is_built_from(built: Path) -> None:
    with tarfile.open(only(built, "*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    c_files = {f"csrc/{path.name}" for path in (ROOT / "csrc").glob("*.[ch]")}
    assert c_files | {"csrc/build.py", "docs/protocol.md", "CHANGELOG.md", "README.md"} <= names
    assert not [name for name in names if name.endswith(".so")]


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_it_installs_and_runs_with_the_sources_out_of_reach(built: Path, pattern: str, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", only(built, pattern), folder=tmp_path)
    assert run(python, "-c", PROGRAM, folder=tmp_path) == "imported\n"
    command = environment / "bin" / "penstock"
    assert run(command, "--version", folder=tmp_path).startswith("penstock 0.")
    assert run(command, "check", folder=tmp_path) == "the settings are right\n"
