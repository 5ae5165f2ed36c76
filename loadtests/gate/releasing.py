"""Whether a version may be released: why not, each cause with its fix."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from .steps import STEPS
from .summary import FOLDER, SummaryError, read_summary

Git = Callable[..., str]
"""Runs git with these words and returns what it says. Raises `subprocess.CalledProcessError`."""

AFTERWARDS = (f"{FOLDER}/", "CHANGELOG.md")
"""What may change between the check and the release: the summary itself, and the changelog that links it."""


def git_of(root: Path) -> Git:
    """Return what runs git in a checkout."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip("\n")

    return git


def refusals(root: Path, version: str, git: Git) -> list[str]:
    """Return why a version may not be released; nothing where it may."""
    said = []
    source = (root / "src" / "proxy" / "__init__.py").read_text()
    if f'__version__ = "{version}"' not in source:
        said.append(f"the source is not of {version}: set __version__ in src/proxy/__init__.py, and check that")
    if dirty := git("status", "--porcelain", "--untracked-files=no"):
        said.append(f"the checkout has changes ({dirty.splitlines()[0].strip()}): commit them, and check that")
    if git("tag", "--list", f"v{version}"):
        said.append(f"the tag v{version} is there already: choose another version")
    if why := _changelog(root, version):
        said.append(why)
    return [*said, *_summary(root, version, git)]


def _changelog(root: Path, version: str) -> str:
    text = (root / "CHANGELOG.md").read_text()
    entry = re.search(rf"^## \[{re.escape(version)}\].*?(?=^## \[|\Z)", text, re.MULTILINE | re.DOTALL)
    if entry is None:
        return f"CHANGELOG.md has no entry [{version}]: write it"
    link = f"{FOLDER}/{version}.md"
    return "" if f"({link})" in entry[0] else f"the entry [{version}] of CHANGELOG.md does not link {link}: add it"


def _summary(root: Path, version: str, git: Git) -> Sequence[str]:
    try:
        summary = read_summary(root, version)
    except SummaryError as error:
        return [str(error)]
    failed = [step.name for step in summary.steps if step.exit_code]
    said = []
    if summary.version != version:
        said.append(f"the summary is of {summary.version}: run make release-check")
    if failed or not summary.steps:
        said.append(f"the check has not passed ({', '.join(failed) or 'no steps'}): mend that, and check again")
    try:
        changed = git("diff", "--name-only", summary.commit, "HEAD").splitlines()
    except subprocess.CalledProcessError:
        return [*said, f"the checked commit {summary.commit[:12]} is not in this history: run make release-check"]
    later = [path for path in changed if not path.startswith(AFTERWARDS)]
    if later:
        count = f" and {len(later) - 1} more" if later[1:] else ""
        said.append(f"changed since the check: {later[0]}{count}: run make release-check")
    missing = {step.name for step in STEPS} - {step.name for step in summary.steps}
    if missing:
        said.append(f"the check left out {', '.join(sorted(missing))}: run make release-check")
    return said
