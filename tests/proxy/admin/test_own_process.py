import os
import resource
import subprocess
import sys
import time

import pytest

from proxy.admin import process
from proxy.admin.process import own_figures


def test_it_is_this_process() -> None:
    figures = own_figures()
    assert figures.pid == os.getpid()
    assert figures.descriptors_max == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert 0 < figures.resident_bytes < figures.virtual_bytes
    assert figures.resident_bytes <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert 0 < figures.started_at < time.time()
    assert own_figures().started_at == figures.started_at


def test_descriptors_are_counted() -> None:
    before = own_figures().descriptors
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(7)]
    try:
        assert own_figures().descriptors == before + 7
    finally:
        for descriptor in held:
            os.close(descriptor)


def test_processor_time_only_rises() -> None:
    before = own_figures().cpu_s
    sum(range(2_000_000))
    assert own_figures().cpu_s >= before


def test_a_name_with_parentheses_confuses_nobody() -> None:
    code = (
        "import ctypes; ctypes.CDLL(None).prctl(15, b') 1 2 (x', 0, 0, 0)\n"
        "from proxy.admin.process import own_figures; print(own_figures().virtual_bytes)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 1_000_000


def test_without_proc_what_cannot_be_read_is_zero(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    monkeypatch.setattr(process, "_PROC", tmp_path)
    figures = own_figures()
    assert (figures.resident_bytes, figures.virtual_bytes, figures.descriptors) == (0, 0, 0)
    assert figures.cpu_s > 0
