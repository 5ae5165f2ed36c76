"""Reads the golden vectors of tests/vectors (their form is told in the files themselves)."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "vectors"


def part_bytes(part: str) -> bytes:
    """Return what one part stands for: text behind an apostrophe, repeated zeros, or hexadecimal digits."""
    if part.startswith("'"):
        return part[1:].encode("ascii")
    if part.startswith("x00*"):
        return bytes(int(part[4:]))
    return bytes.fromhex(part)


def load(name: str) -> list[dict[str, Any]]:
    """Return the vectors of a file, each with its bytes put together under ``data``."""
    vectors: list[dict[str, Any]] = json.loads((FOLDER / name).read_text(encoding="utf-8"))["vectors"]
    for vector in vectors:
        vector["data"] = b"".join(map(part_bytes, vector["bytes"]))
    return vectors


GOOD = load("frames_good.json")
BAD = load("frames_bad.json")
