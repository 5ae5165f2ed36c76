"""The seeds of the fuzz target are those that the golden vectors give; a changed vector changes them."""

import runpy
from pathlib import Path

CSRC = Path(__file__).resolve().parents[2] / "csrc"


def test_seeds_are_made_from_the_vectors() -> None:
    expected = runpy.run_path(str(CSRC / "fuzz/make_frame_seeds.py"))["seeds"]()
    found = {path.name: path.read_bytes() for path in (CSRC / "fuzz/seeds/frame").iterdir()}
    assert found == expected, "run: python csrc/fuzz/make_frame_seeds.py"
