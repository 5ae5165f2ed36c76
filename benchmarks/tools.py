"""What has to be there before anything is measured: programs, packages for rivals in Python, and compiled C."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILT = ROOT / "build" / "benchmarks"
ENVIRONMENT = HERE / ".venv"
ENVIRONMENT_PACKAGES = ("uvicorn", "uvloop", "httptools", "hypercorn", "trio", "msgspec", "cffi", "PyYAML", "fastapi")
COMPILER_FLAGS = ("-O3", "-std=gnu11", "-Wall", "-Wextra", "-fno-strict-aliasing", "-D_GNU_SOURCE")


class NotMeasured(Exception):  # noqa: N818 - it is a result of the run ("not measured: why"), not a fault of the program
    """Something that a measurement needs is not to be had. The text says what and why, in one line."""


@functools.cache
def program(name: str) -> str:
    """Return the path of a program, installing its Debian package of the same name where that is possible.

    Raises NotMeasured when it is neither there nor installable. The answer is remembered, a failure is not.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing {name} with apt-get", flush=True)
        subprocess.run(
            ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", name],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise NotMeasured(f"{name} is not installed (as root on Debian: apt-get install {name})")
    return found


@functools.cache
def rival_python() -> str:
    """Return the interpreter of the environment with uvicorn, Hypercorn and what they are fastest with.

    It is made when it is not there, and anew when other packages are wanted than it was made with.
    """
    python = ENVIRONMENT / "bin" / "python"
    ready = ENVIRONMENT / "ready"
    wanted = " ".join(ENVIRONMENT_PACKAGES)
    if not (ready.exists() and ready.read_text() == wanted and python.exists()):
        print(f"installing {', '.join(ENVIRONMENT_PACKAGES)} in {ENVIRONMENT.relative_to(ROOT)}", flush=True)
        _must_run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], "no environment for rivals in Python")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _must_run([*pip, *ENVIRONMENT_PACKAGES], f"{wanted} could not be installed from PyPI")
        ready.write_text(wanted)
    return str(python)


def rival_versions() -> dict[str, str]:
    """Return the versions of the packages that rivals run with; empty when their environment was never made."""
    found: dict[str, str] = {}
    for info in ENVIRONMENT.glob("lib/python*/site-packages/*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        if name.lower() in ENVIRONMENT_PACKAGES:
            found[name.lower()] = version
    return dict(sorted(found.items()))


@functools.cache
def compiled(name: str, *more_sources: str) -> Path:
    """Compile ``benchmarks/NAME.c``, with more C files of the checkout, and return the program. Raises NotMeasured."""
    sources = [HERE / f"{name}.c", *(ROOT / source for source in more_sources)]
    for source in sources:
        if not source.exists():
            raise NotMeasured(f"{source.relative_to(ROOT)} is not there")
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise NotMeasured("there is no C compiler (gcc)")
    BUILT.mkdir(parents=True, exist_ok=True)
    _must_run(
        [compiler, *COMPILER_FLAGS, f"-I{ROOT / 'csrc'}", "-o", str(BUILT / name), *map(str, sources)],
        f"{name}.c does not compile",
    )
    return BUILT / name


def _must_run(command: list[str], otherwise: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise NotMeasured(f"{otherwise}: {last}")
