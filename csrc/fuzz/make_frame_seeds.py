"""Writes the seeds of fuzz_frame.c from the golden vectors: ``python csrc/fuzz/make_frame_seeds.py``.

One file per vector, alone and behind a good frame, and one with all the good frames. Two bytes in front choose how the
target scans them.
"""

import json
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SEEDS = TOP / "csrc/fuzz/seeds/frame"
HOW = bytes([3, 7])
SEED_BYTES_MAX = 1024


def part_bytes(part: str) -> bytes:
    """Return what one part of a vector stands for; its forms are told in the vectors."""
    if part.startswith("'"):
        return part[1:].encode("ascii")
    if part.startswith("x00*"):
        return bytes(int(part[4:]))
    return bytes.fromhex(part)


def vectors(name: str) -> dict[str, bytes]:
    """Return the frames of a file by their names."""
    listed = json.loads((TOP / "tests/vectors" / name).read_text(encoding="utf-8"))["vectors"]
    return {vector["name"]: b"".join(map(part_bytes, vector["bytes"])) for vector in listed}


def seeds() -> dict[str, bytes]:
    """Return what each file should hold."""
    good, bad = vectors("frames_good.json"), vectors("frames_bad.json")
    made = {name: HOW + data for name, data in good.items()}
    made |= {f"bad_{name}": HOW + good["credit"] + data for name, data in bad.items()}
    made["all_good"] = HOW + b"".join(good.values())
    return {name: data for name, data in made.items() if len(data) <= SEED_BYTES_MAX}


def main() -> None:
    """Write them all."""
    SEEDS.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (SEEDS / name).write_bytes(data)


if __name__ == "__main__":
    main()
