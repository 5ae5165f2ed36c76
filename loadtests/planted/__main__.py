"""`python -m loadtests.planted NAME -- COMMAND ...`: become that command, with a defect in it."""

import json
import os
import sys
from collections.abc import Sequence

from loadtests.planted import DEFECTS, environment_of

USAGE = "usage: python -m loadtests.planted NAME -- penstock serve ...\n\nNAME is one of:\n"


def main(words: Sequence[str]) -> int:
    """Return 2 where the words are wrong; else never."""
    if len(words) < 3 or words[1] != "--" or words[0] not in DEFECTS:
        sys.stderr.write(USAGE + "".join(f"  {name:<12} {told}\n" for name, told in DEFECTS.items()))
        return 2
    name, command = words[0], list(words[2:])
    told = {"level": "warning", "logger": "loadtests.planted", "message": f"{name}: {DEFECTS[name]}"}
    sys.stderr.write(json.dumps(told) + "\n")  # as a line of the gateway's log, which it is the first of
    sys.stderr.flush()
    try:
        os.execvpe(command[0], command, environment_of(name, os.environ))  # noqa: S606 - what was asked for
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}; give the command as in a shell\n")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
