"""What is written and said when a run is over, and its exit code.

0: all thresholds are held; 1: one is broken; 2: nothing is proved, by this run or by what is left of it.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from loadtests import record as records
from loadtests.record import Record
from loadtests.shape.knee import knee_lines

HELD: Final = 0
BROKEN: Final = 1
PROVES_NOTHING: Final = 2

Tell = Callable[[str], None]


def finish(record: Record, folder: Path, thresholds: Path | None, baseline: Path | None, tell: Tell) -> int:
    """Write the record and the report, tell the verdict, and return the exit code. thresholds: None: nobody judges."""
    code = HELD
    wrote = _write_record(record, folder, tell)
    for line in knee_lines(record):
        tell(line)
    if thresholds is not None:
        code = judge_and_report(record, folder, thresholds, baseline, tell)
    if record.ended != "complete":
        tell(f"{_ENDED[record.ended]}: {record.why}" if record.why else _ENDED[record.ended])
        code = code or PROVES_NOTHING
    return code if wrote else code or PROVES_NOTHING


_ENDED: Final = {
    "not_started": "the run was never begun",
    "interrupted": "the run was interrupted",
    "target_lost": "the run ended early, since what it loads could not be reached",
    "failed": "the run ended early, since the load test itself has failed",
}


def _write_record(record: Record, folder: Path, tell: Tell) -> bool:
    path = folder / "record.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(records.encode(record))
    except OSError as error:
        with suppress(OSError):  # a part of it would be taken for the whole
            path.unlink(missing_ok=True)
        tell(f"{path} could not be written: {error.strerror or error}; make room, or name another folder by --out")
        return False
    tell(f"record   {path}")
    return True


def judge_and_report(record: Record, folder: Path, thresholds: Path, baseline: Path | None, tell: Tell) -> int:
    """Judge a record, write the report into the folder, tell the lines, and return the exit code."""
    from loadtests.report import write
    from loadtests.verdict import ThresholdsError, judge, read_thresholds

    try:
        wanted = read_thresholds(thresholds)
        earlier = records.read(baseline) if baseline else None
    except (ThresholdsError, records.RecordError) as error:
        tell(str(error))
        return PROVES_NOTHING
    verdict = judge(record, wanted, earlier)
    wrote = True
    try:
        tell(f"report   {write(folder, record, verdict, earlier)}")
    except OSError as error:
        tell(f"the report could not be written to {folder}: {error.strerror or error}; make room, or say --out")
        wrote = False
    for line in verdict.lines:
        tell(str(line))
    for note in verdict.notes:
        tell(f"note: {note}")
    tell(verdict.summary)
    return verdict.exit_code if wrote else verdict.exit_code or PROVES_NOTHING
