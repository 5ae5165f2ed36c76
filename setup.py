"""The part of the build that pyproject.toml cannot say: the C extension, the abi3 tag of its wheel, and the revision.

The commit that is built goes into sdist and wheel as proxy/overview/revision.txt, where it is known: from
SOURCE_REVISION in the environment (for builds without .git, as in containers), from the sdist, or from the checkout.
"""

import os
import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
REVISION = "proxy/overview/revision.txt"


def revision() -> str:
    """Return the commit; empty where it is not known."""
    given = os.environ.get("SOURCE_REVISION", "").strip()
    told = ROOT / "src" / REVISION
    if given or told.exists():
        return given or told.read_text("utf-8").strip()
    of_checkout = runpy.run_path(str(ROOT / "src" / "proxy" / "overview" / "revision.py"))["of_checkout"]
    return str(of_checkout(ROOT))


def write_revision(path: Path) -> None:
    """Write it where it is known."""
    known = revision()
    if known:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(known + "\n", "utf-8")


class BuildWithRevision(build_py):
    """Writes the revision beside what is built; an editable install looks at its checkout."""

    def run(self) -> None:
        """Build."""
        super().run()
        if not self.editable_mode:
            write_revision(Path(self.build_lib) / REVISION)


class SourcesWithRevision(sdist):
    """Writes the revision into what is packed."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Put the files together."""
        super().make_release_tree(base_dir, files)
        write_revision(Path(base_dir) / "src" / REVISION)


setup(
    cffi_modules=["csrc/build.py:builder"],
    cmdclass={"build_py": BuildWithRevision, "sdist": SourcesWithRevision},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
