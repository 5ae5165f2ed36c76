"""What of a machine is enough, by plain values; and where these come from."""

from pathlib import Path

import pytest

from proxy.doctor import machine_facts
from proxy.doctor.finding import Finding
from proxy.doctor.machine import (
    judge_backlog,
    judge_clock,
    judge_clock_source,
    judge_cores,
    judge_descriptors,
    judge_memory,
)

MIB = 1 << 20


@pytest.mark.parametrize(
    ("finding", "state", "said", "fix"),
    [
        (judge_descriptors(1_024, 4_096, 500), "ok", "1,024 may be open", ""),
        (
            judge_descriptors(1_024, 4_096, 17_000),
            "warning",
            "with all connections 17,000 would be",
            "LimitNOFILE=17000",
        ),
        (judge_cores(2, 2, 2), "ok", "2 for 2 cores", ""),
        (judge_cores(1, 1, 0), "ok", "1 for 1 core", ""),
        (judge_cores(4, 4, 2), "ok", "2 for 4 cores", ""),
        (
            judge_cores(2, 8, 8),
            "warning",
            "8 processes share 2 of 8 cores",
            "set workers: auto (PENSTOCK_WORKERS), or 2",
        ),
        (judge_cores(4, 4, 0), "warning", "a single process uses 1 of 4 cores", "set workers: auto"),
        (judge_memory(4_096 * MIB, 2, 1_024 * MIB), "ok", "2,144 MiB are held", ""),
        (
            judge_memory(512 * MIB, 0, 1_024 * MIB),
            "warning",
            "there are 512 MiB, and up to 1,072 MiB",
            "edge.bytes_in_",
        ),
        (judge_clock(True), "ok", "synchronised", ""),
        (judge_clock(None), "ok", "cannot be told", ""),
        (judge_clock(False), "warning", "it is not synchronised", "chrony"),
        (judge_clock_source("tsc"), "ok", "tsc", ""),
        (judge_clock_source(""), "ok", "not told", ""),
        (judge_clock_source("hpet"), "warning", "hpet: reading the time is a system call", "clocksource=tsc"),
        (judge_backlog(4_096, 1_024), "ok", "1,024 connections may wait", ""),
        (judge_backlog(128, 1_024), "warning", "net.core.somaxconn is 128", "sysctl -w net.core.somaxconn=1024"),
    ],
)
def test_judged(finding: Finding, state: str, said: str, fix: str) -> None:
    assert finding.state == state
    assert said in finding.what
    assert fix in finding.fix
    assert bool(finding.fix) is (state != "ok")


@pytest.mark.parametrize(
    ("bounds", "mib"),
    [
        ({}, 2_048),
        ({"": "max"}, 2_048),
        ({"a/b": str(256 * MIB)}, 256),
        ({"a": str(128 * MIB), "a/b": str(256 * MIB)}, 128),
        ({"a/b": str(9_000 * MIB)}, 2_048),
        ({"other": str(1 * MIB)}, 2_048),
    ],
)
def test_memory_is_the_least_of_the_machine_and_its_control_groups(
    bounds: dict[str, str], mib: int, tmp_path: Path
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:        2097152 kB\nMemFree: 1 kB\n")
    (tmp_path / "own").write_text("1:name=systemd:/x\n0::/a/b\n")
    for group, text in bounds.items():
        folder = tmp_path / "groups" / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(text + "\n")
    found = machine_facts.memory_bytes(tmp_path / "meminfo", tmp_path / "own", tmp_path / "groups")
    assert found == mib * MIB


def test_what_this_machine_says_can_be_read() -> None:
    soft, hard = machine_facts.descriptors()
    assert 0 < soft <= hard
    assert machine_facts.memory_bytes() > 64 * MIB
    assert machine_facts.clock_is_synchronised() in (True, False, None)
    assert machine_facts.somaxconn() > 0
    assert machine_facts.cores_present() >= 1
    assert isinstance(machine_facts.clock_source(), str)
