"""An example that starts a gateway, started as a person starts it: on free ports, in a session of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from free_port import free_port

END_S = 10


@contextmanager
def started(program: Path) -> Iterator[subprocess.Popen[str]]:
    """Start it; end it, where it has not ended by then."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("PENSTOCK_")}
    ports = {f"PENSTOCK_{name}_LISTEN": f"127.0.0.1:{free_port()}" for name in ("EDGE", "SERVICES", "ADMIN")}
    with subprocess.Popen(
        [sys.executable, str(program)],
        env={**inherited, **ports, "PENSTOCK_WORKERS": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        if process.poll() is None:
            process.terminate()
            process.wait(END_S)
