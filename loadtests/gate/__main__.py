"""`python -m loadtests.gate check | release VERSION | links | bench`, from the root of the checkout."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from proxy import __version__

from .bench import compare
from .checking import check
from .links import lost_links
from .releasing import git_of, refusals
from .steps import STEPS
from .summary import write_summary

ROOT: Final = Path(__file__).parents[2]
WRITTEN: Final = ("benchmarks/results.json", "benchmarks/table.md", "README.md")
"""What a run of all benchmarks writes; the check puts back what was there."""


def run_check() -> int:
    """Run all steps, and write the summary."""
    git = git_of(ROOT)
    if dirty := git("status", "--porcelain", "--untracked-files=no"):
        return _refuse([f"the checkout has changes ({dirty.splitlines()[0].strip()}): commit them first"])
    try:
        git("config", "user.name"), git("config", "user.email")
    except subprocess.CalledProcessError:
        return _refuse(["git does not know who you are: git config user.name and user.email"])
    summary = check(ROOT, __version__, STEPS, git, lambda line: print(line, flush=True))
    page = write_summary(ROOT, summary)
    passed = "passed" if summary.has_passed else "NOT PASSED"
    print(f"{passed}: {page.relative_to(ROOT)}; commit it, and link it from the entry [{__version__}] of CHANGELOG.md")
    return 0 if summary.has_passed else 1


def run_release(version: str) -> int:
    """Make the tag, or say why not."""
    git = git_of(ROOT)
    why = refusals(ROOT, version, git)
    if why:
        return _refuse(why)
    git("tag", "--annotate", f"v{version}", "--message", f"Penstock {version}, checked: releases/{version}.md")
    print(f"tagged v{version}; git push origin v{version} publishes it")
    return 0


def run_links() -> int:
    """Tell links that lead nowhere."""
    lost = lost_links(ROOT)
    print("\n".join(lost) or "all links lead somewhere")
    return 1 if lost else 0


def run_bench() -> int:
    """Run all benchmarks, compare them with those that are committed, and put those back."""
    kept = {name: (ROOT / name).read_bytes() for name in WRITTEN}
    try:
        done = subprocess.run([sys.executable, "-m", "benchmarks"], cwd=ROOT, check=False)
        now = msgspec.json.decode((ROOT / WRITTEN[0]).read_bytes())
        is_new = (ROOT / WRITTEN[0]).read_bytes() != kept[WRITTEN[0]]
    finally:
        for name, content in kept.items():
            (ROOT / name).write_bytes(content)
    if not is_new:
        print("the benchmarks wrote no results")
        return 1
    found = compare(msgspec.json.decode(kept[WRITTEN[0]]), now)
    for line in found.missed_as_before:
        print(f"missed, as in the committed run: {line}")
    last = f"none is much worse than the committed one; {len(found.missed_as_before)} missed as there"
    print("\n".join(found.worse) or last)
    has_run = done.returncode in (0, 1, 2)  # held, missed, not all of it measured: judged above
    return 1 if found.worse else 0 if has_run else done.returncode


def _refuse(why: Sequence[str]) -> int:
    for line in why:
        print(f"refused: {line}", file=sys.stderr)
    return 1


def main(words: Sequence[str]) -> int:
    """Do what the words say; 2 where they are wrong."""
    if list(words) == ["check"]:
        return run_check()
    if len(words) == 2 and words[0] == "release":
        return run_release(words[1].removeprefix("v"))
    if list(words) == ["links"]:
        return run_links()
    if list(words) == ["bench"]:
        return run_bench()
    print("usage: python -m loadtests.gate check | release VERSION | links | bench", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
