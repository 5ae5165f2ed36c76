"""What came of the steps: as data, which the release script reads, and as a page for people, which is made of it."""

from pathlib import Path
from typing import Final

import msgspec

FOLDER: Final = "releases"


class SummaryError(Exception):
    """There is no summary that can be read. Its text is one line, with the fix."""


class StepResult(msgspec.Struct, frozen=True):
    """What came of one step."""

    name: str
    told: str
    exit_code: int
    took_s: float
    said: str
    """The last line that it wrote."""


class Summary(msgspec.Struct, frozen=True):
    """A check of one version."""

    version: str
    commit: str
    """What was checked: the commit that was checked out, without changes."""
    checked_at: str
    """UTC, as 2026-11-21T10:00:00Z."""
    machine: str
    signed_off_by: str
    """Name and address of who ran it, as git knows them."""
    steps: list[StepResult]

    @property
    def has_passed(self) -> bool:
        """Whether every step has, and there was one."""
        return bool(self.steps) and all(step.exit_code == 0 for step in self.steps)


def page_of(summary: Summary) -> str:
    """Return the page for people."""
    rows = [
        f"| {step.name} | {'passed' if step.exit_code == 0 else f'FAILED ({step.exit_code})'} | {_took(step.took_s)} "
        f"| {step.told} | {_cell(step.said)} |"
        for step in summary.steps
    ]
    return "\n".join(
        [
            f"# Check of {summary.version}",
            "",
            f"{'All steps have passed.' if summary.has_passed else 'NOT ALL STEPS HAVE PASSED.'} "
            f"Commit `{summary.commit}`, {summary.checked_at}, on {summary.machine}.",
            "",
            "| step | outcome | took | what | its last line |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"Signed-off-by: {summary.signed_off_by}",
            "",
        ]
    )


def write_summary(root: Path, summary: Summary) -> Path:
    """Write both files, and return the path of the page. Raises OSError."""
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    data, page = paths(root, summary.version)
    data.write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
    page.write_text(page_of(summary))
    return page


def read_summary(root: Path, version: str) -> Summary:
    """Return the summary of a version; its page has to be the one that was made of it. Raises `SummaryError`."""
    data, page = paths(root, version)
    again = "run make release-check"
    try:
        summary = msgspec.json.decode(data.read_bytes(), type=Summary)
        shown = page.read_text()
    except OSError as error:
        raise SummaryError(f"there is no check of {version} ({data.name}, {page.name}): {again}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SummaryError(f"{data} cannot be read: {error}; {again}") from error
    if shown != page_of(summary):
        raise SummaryError(f"{page} is not what {data.name} says: {again}")
    return summary


def paths(root: Path, version: str) -> tuple[Path, Path]:
    """Return where data and page of a version are."""
    return root / FOLDER / f"{version}.json", root / FOLDER / f"{version}.md"


def _took(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
