"""Each kind of user is a locustfile that plain Locust runs as it is, with the folder of them all first on its path."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from loadtests.shape.document import USERS_FOLDER, known_users
from loadtests.tools import ROOT


def listed(file: Path) -> subprocess.CompletedProcess[str]:
    """What `locust --list` says of a file: it is imported as for a run, and nothing is sent."""
    command = [sys.executable, "-m", "locust", "-f", str(file), "--list"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("kind", known_users())
def test_plain_locust_finds_the_users_of_each_file(kind: str) -> None:
    made = listed(USERS_FOLDER / f"{kind}.py")
    assert made.returncode == 0, made.stderr
    heading, *users = made.stdout.split("\n    ")
    assert heading == "Available Users:"
    assert [user.strip().lower() for user in users] == [kind.replace("_", "")]


def test_a_file_that_hides_a_package_is_found_out(tmp_path: Path) -> None:
    hiding = tmp_path / "frames.py"
    hiding.write_bytes((USERS_FOLDER / "framed.py").read_bytes())
    made = listed(hiding)
    assert made.returncode != 0
    assert "'frames' is not a package" in made.stderr
