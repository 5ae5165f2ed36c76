"""The codec alone: C against memcpy, and called from Python against httptools. One core, no network."""

import json
import subprocess
from pathlib import Path

from benchmarks.machine import pinned
from benchmarks.rounds import Outcome, Plan, Sample, say
from benchmarks.sample_request import as_frame
from benchmarks.tools import ROOT, NotMeasured, compiled, rival_python

BATCH_FRAMES = 256  # 50 KiB in, some 150 KiB with what is written: over the first-level cache, well inside the second
ROUNDS_PER_REPEAT = 5


def against_memcpy(outcome: Outcome, plan: Plan) -> Outcome:
    """Time frame_scan over a batch, and memcpy of the same bytes, in turns within one process."""
    try:
        program = compiled("codec", "csrc/frame.c")
        frame = plan.folder / "request.frame"
        frame.write_bytes(as_frame())
        rounds = _run([str(program), str(frame), str(BATCH_FRAMES), str(_rounds(plan))], plan)
    except NotMeasured as why:
        outcome.fail("frame_scan", str(why))
        return outcome
    return _take(outcome, rounds, {"frame_scan": "decode_ns", "memcpy": "memcpy_ns"})


def against_httptools(outcome: Outcome, plan: Plan) -> Outcome:
    """Time frames.codec.scan over a batch, and httptools over the same requests as HTTP/1.1, within one process."""
    try:
        _check_built()
        rounds = _run([rival_python(), "-m", "benchmarks.decode_probe", str(_rounds(plan))], plan)
    except NotMeasured as why:
        outcome.fail("frames.codec", str(why))
        return outcome
    names = {
        "frames.codec": "scan_ns",
        "frames.codec, rows": "scan_rows_ns",
        "httptools": "httptools_ns",
        "frames.codec, every field taken": "scan_fields_ns",
        "httptools, every field taken": "httptools_fields_ns",
    }
    return _take(outcome, rounds, names)


def _check_built() -> None:
    if not any((ROOT / "src" / "frames").glob("_native*.so")):
        raise NotMeasured("the extension frames._native is not built (make native)")


def _rounds(plan: Plan) -> int:
    return plan.repeats * ROUNDS_PER_REPEAT


def _run(command: list[str], plan: Plan) -> list[dict[str, float]]:
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": str(Path("/usr/bin"))}
    with pinned(plan.cores.tested):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    if done.returncode != 0:
        raise NotMeasured((done.stderr.strip() or "no message").splitlines()[-1])
    rounds: list[dict[str, float]] = json.loads(done.stdout)
    return rounds


def _take(outcome: Outcome, rounds: list[dict[str, float]], names: dict[str, str]) -> Outcome:
    for name, key in names.items():
        samples: list[Sample] = [{"ns": each[key]} for each in rounds]
        outcome.samples[name] = samples
        values = sorted(sample["ns"] for sample in samples)
        say(outcome.case, f"{name:<32} {values[len(values) // 2]:8.1f} ns, {values[0]:.1f} to {values[-1]:.1f}")
    return outcome
