"""Another version of the program takes the place of this one, in the same process: its number, its children and its
sockets stay. What else the new one has to know goes through a file in memory that it inherits.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

import msgspec
import trio

from proxy import __version__
from proxy.supervisor.errors import UpgradeError
from proxy.supervisor.sockets import Passed

FORM: Final = 1
"""Of `Handover`. A version that reads other forms, too, says so when it is checked."""

CHECK_FLAG: Final = "--check"
ADOPT_FLAG: Final = "--adopt"
MODULE: Final = "proxy.process.supervising"

CHECK_S: Final = 60.0
"""How long the new version may take to read the settings and to import itself."""
_SAID_MAX: Final = 2_000


class PassedWorker(msgspec.Struct, frozen=True):
    """A worker that lives on. control: the descriptor of its connection."""

    id: str
    pid: int
    control: int
    state: str
    services_port: int
    started_at: float


class Handover(msgspec.Struct, frozen=True):
    """What one program leaves to the next. memory: of `proxy.merged`; python: what runs the next; error: why not."""

    sockets: dict[str, Passed]
    workers: tuple[PassedWorker, ...]
    generations: dict[int, int]
    restarts: int
    memory: bytes
    python: str = ""
    error: str = ""
    version: str = __version__
    form: int = FORM
    starts: dict[str, int] = {}  # as of `Supervisor`, which goes on counting
    upgrades: dict[str, int] = {}

    @property
    def descriptors(self) -> list[int]:
        """All that the next program has to inherit."""
        sockets = [number for each in self.sockets.values() for number in each.descriptors]
        return [*sockets, *(worker.control for worker in self.workers)]


class Checked(msgspec.Struct, frozen=True):
    """What the new version says of itself, once it has read the settings."""

    version: str = __version__
    forms: tuple[int, ...] = (FORM,)


def supervisor_words(python: str, words: Sequence[str]) -> list[str]:
    """Return a supervisor's command line. words: the settings file and flags; python: the program, or nothing."""
    return [python or sys.executable, "-P", "-m", MODULE, *words]


async def check_new(python: str, words: Sequence[str]) -> Checked:
    """Have the version that is installed now read the settings and import itself, in a process of its own.

    Raises:
        UpgradeError: it cannot, or it would not understand this one. The text says why.
    """
    line = supervisor_words(python, [CHECK_FLAG, *words])
    try:
        with trio.fail_after(CHECK_S):
            ran = await trio.run_process(
                line, stdin=subprocess.DEVNULL, capture_stdout=True, capture_stderr=True, check=False
            )
    except trio.TooSlowError:
        raise UpgradeError(f"the new version has not checked the settings within {CHECK_S:g} s") from None
    except OSError as error:
        raise UpgradeError(f"{line[0]} cannot be started: {error.strerror}; see supervisor.python") from None
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip()[-_SAID_MAX:]
        raise UpgradeError(
            f"the new version refuses to start (status {ran.returncode}): {said or 'it does not say why'}"
        )
    try:
        checked = msgspec.json.decode(ran.stdout, type=Checked)
    except msgspec.DecodeError:
        raise UpgradeError(f"{line[0]} has no version that can take over; start it anew") from None
    if FORM not in checked.forms:
        raise UpgradeError(f"version {checked.version} cannot take over from {__version__}; start it anew")
    return checked


def write_handover(handover: Handover) -> int:
    """Return the descriptor of a file in memory that holds it. It is inherited, as are those that it names."""
    number = os.memfd_create("penstock-handover", 0)
    with os.fdopen(os.dup(number), "wb") as file:
        file.write(msgspec.json.encode(handover))
    for each in handover.descriptors:
        os.set_inheritable(each, True)
    return number


def read_handover(number: int) -> Handover:
    """Return what the program before this one has left, and close the file."""
    with os.fdopen(number, "rb") as file:
        file.seek(0)
        return msgspec.json.decode(file.read(), type=Handover)
