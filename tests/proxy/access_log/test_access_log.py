"""Where lines of the access log go, and what becomes of those that go nowhere."""

import os
import stat
from pathlib import Path

import msgspec
import pytest
from made_records import names, record

from penstock.settings import SettingsError
from proxy.access_log.log import AccessLog


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_lines_are_appended_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    for round_number in (1, 2):
        log = AccessLog("json", str(path), "names")
        log.write([record(bytes_in=round_number), record(bytes_in=round_number)], names())
        log.close()
        assert log.counts == (2, 0, 0, 0)
    assert [msgspec.json.decode(line)["bytes_in"] for line in lines_of(path)] == [1, 1, 2, 2]


def test_a_new_file_is_not_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    AccessLog("text", str(path), "names").close()
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_secrets_are_taken_out_on_the_way(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessLog("text", str(path), "whole", redact=lambda line: line.replace(b"geheim", b"***"))
    log.write([record(target=b"/a?b=geheim")], names())
    log.close()
    assert '"GET /a?b=***"' in lines_of(path)[0]


@pytest.mark.parametrize("name", ["missing/access.log", ""])
def test_a_file_that_cannot_be_written_is_a_wrong_setting(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError) as error:
        AccessLog("json", str(tmp_path / name), "names")
    assert "access_log.output" in str(error.value)
    assert "write stdout" in str(error.value)


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SettingsError, match="cannot be opened for writing"):
        AccessLog("json", str(tmp_path / "fifo"), "names")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="SKIPPED: there is no /dev/full here")
def test_a_full_disk_costs_lines_and_nothing_else() -> None:
    log = AccessLog("json", "/dev/full", "names")
    log.write([record()] * 3, names())
    log.close()
    assert (log.counts.written, log.counts.failed) == (0, 3)


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_reader_that_reads_no_more_holds_nobody_up(tmp_path: Path, form: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        log = AccessLog(form, str(fifo), "names")
        for _ in range(400):
            log.write([record()] * 64, names())
        assert log.counts.dropped > 0
    finally:
        os.close(reader)  # which ends the writer's wait
    log.close()
    assert log.counts.dropped + log.counts.failed > 10_000
    assert sum(log.counts) == 400 * 64
