"""Which revision of the source this is: for people who look at metrics after an upgrade."""

import re
from functools import cache
from pathlib import Path
from typing import Final

_BUILT: Final = Path(__file__).with_name("revision.txt")
"""Written into a wheel when it is built (setup.py), and nowhere else."""

_SHA: Final = re.compile(r"[0-9a-f]{7,64}")


@cache
def revision() -> str:
    """Return the commit; empty where it is not known. Reads files, the first time."""
    built = _read(_BUILT)
    return built if _SHA.fullmatch(built) else of_checkout(Path(__file__).resolve().parents[3])


def of_checkout(root: Path) -> str:
    """Return the commit that a checkout is at; empty where it is none."""
    git = root / ".git"
    if git.is_file():  # of a work tree beside the first: a line that says where its own is
        git = (root / _read(git).removeprefix("gitdir:").strip()).resolve()
    head = _read(git / "HEAD")
    if not head.startswith("ref:"):
        return head if _SHA.fullmatch(head) else ""
    name = head.removeprefix("ref:").strip()
    common = (git / (_read(git / "commondir") or ".")).resolve()
    for folder in (git, common):
        found = _read(folder / name)
        if _SHA.fullmatch(found):
            return found
    return _packed(common / "packed-refs", name)


def _packed(path: Path, name: str) -> str:
    for line in _read(path).splitlines():
        sha, _, of = line.partition(" ")
        if of == name and _SHA.fullmatch(sha):
            return sha
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
