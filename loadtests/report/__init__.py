"""A run's report: one HTML file that needs nothing from elsewhere, and the same figures as JSON beside it.

series    lines over time, of a record
chart     one of them as an SVG with its scale
tables    what is told in rows
page      all of it as a page
figures   the same as plain values
small     a record with fewer points, to be kept in a repository
"""

from pathlib import Path

from loadtests.record import Record
from loadtests.verdict import Verdict

PAGE_NAME = "report.html"
FIGURES_NAME = "report.json"


def write(folder: Path, record: Record, verdict: Verdict, earlier: Record | None = None) -> Path:
    """Write report.html and report.json into a folder that exists, and return the page's path.

    earlier: a run to compare with. Each file is written aside first, so that none is half there. Raises OSError.
    """
    from .figures import figures_json
    from .page import page

    _write(folder / FIGURES_NAME, figures_json(record, verdict, earlier))
    return _write(folder / PAGE_NAME, page(record, verdict, earlier).encode())


def keep(folder: Path, name: str, record: Record, verdict: Verdict) -> tuple[Path, Path]:
    """Write the small form of a run into a folder, and return its record, NAME.json, and its page, NAME.html.

    verdict: on the whole record, for the small one has too few samples to be judged. Raises OSError.
    """
    from loadtests.record import encode

    from .page import page
    from .small import small

    few = small(record)
    folder.mkdir(parents=True, exist_ok=True)
    kept = _write(folder / f"{name}.json", encode(few) + b"\n")
    return kept, _write(folder / f"{name}.html", page(few, verdict, None).encode())


def _write(path: Path, content: bytes) -> Path:
    aside = path.with_name(f".{path.name}.new")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path
