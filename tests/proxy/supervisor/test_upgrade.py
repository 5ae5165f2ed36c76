"""What one program leaves to the next, and how the next is asked whether it can."""

import os
import sys

import pytest

from proxy import __version__
from proxy.process.inherited import CONTROL, EDGE, OWN, SERVICES, Inherited, read_inherited
from proxy.supervisor.errors import UpgradeError
from proxy.supervisor.sockets import Passed
from proxy.supervisor.upgrade import Checked, Handover, PassedWorker, check_new, read_handover, write_handover


def test_a_handover_goes_through_a_file_in_memory() -> None:
    numbers = [os.dup(2) for _ in range(3)]
    worker = PassedWorker("0.3", 4321, numbers[0], "serving", 7105, 1_700_000_000.25)
    passed = {"edge": Passed("127.0.0.1:8080", tuple(numbers[1:]))}
    handover = Handover(passed, (worker,), {0: 3, 1: 7}, 5, b"\x00memory", "/opt/python")
    number = write_handover(handover)
    assert os.get_inheritable(number)
    assert all(os.get_inheritable(each) for each in numbers)
    assert read_handover(number) == handover
    assert handover.version == __version__
    for each in numbers:
        os.close(each)


def test_a_worker_reads_what_its_supervisor_writes() -> None:
    part = Inherited("2.17", True, {EDGE: [5, 6], SERVICES: [7], OWN: [8], CONTROL: [9]})
    words = part.words()
    assert words[:4] == ["--as-worker", "2.17", "--begin", "holding"]
    assert read_inherited([*words, "--edge-deadline", "4s"]) == (part, ["--edge-deadline", "4s"])
    assert sorted(part.descriptors) == [5, 6, 7, 8, 9]
    assert read_inherited(part._replace(holds=False).words())[0].holds is False


async def test_the_version_that_is_installed_can_take_over() -> None:
    assert await check_new("", ["--edge-deadline", "4s"]) == Checked(__version__, (1,))


@pytest.mark.parametrize(
    ("python", "words", "said"),
    [
        ("/nowhere/python", [], "/nowhere/python cannot be started: No such file or directory; see supervisor.python"),
        ("/bin/false", [], "the new version refuses to start (status 1): it does not say why"),
        ("/bin/true", [], "/bin/true has no version that can take over; start it anew"),
        (
            sys.executable,
            ["--edge-deadline", "soon"],
            "the new version refuses to start (status 2): penstock: error: bad_",
        ),
    ],
)
async def test_a_version_that_cannot_take_over(python: str, words: list[str], said: str) -> None:
    with pytest.raises(UpgradeError) as caught:
        await check_new(python, words)
    assert str(caught.value).startswith(said)
