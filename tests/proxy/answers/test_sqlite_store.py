"""Answers in a file: nothing that was said is lost, wherever it is cancelled; and what is wrong is told."""

import sqlite3
from pathlib import Path

import pytest
import trio

from proxy.answers.key import Fingerprint
from proxy.answers.ledger import Record, State
from proxy.answers.sqlite import SqliteStore
from proxy.answers.stores import StoreError

ASKED = Fingerprint(b"head", 2, b"body")
LATER = 10_000


def record(number: int, state: State = State.KEPT) -> Record:
    made = Record(b"%d" % number, ASKED, LATER + number)
    made.state = state
    if state is State.KEPT:
        made.payload = b"answer %d" % number
        made.byte_count = len(made.payload)
    return made


def reopened(path: Path, count_max: int = 100) -> list[Record]:
    store = SqliteStore(path)
    try:
        return store.restored(0, count_max)
    finally:
        store.close()


@pytest.mark.parametrize("checkpoints", range(12))
async def test_wherever_it_is_cancelled_all_is_written(tmp_path: Path, checkpoints: int) -> None:
    path = tmp_path / "keys.db"
    store = SqliteStore(path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run)
        store.begun(record(1, State.IN_FLIGHT))
        for number in range(checkpoints):
            store.ended(record(number))
            await trio.lowlevel.checkpoint()
        store.ended(record(50))
        store.gone([b"0"])
        nursery.cancel_scope.cancel()
    found = {each.key: each.state for each in reopened(path)}
    wanted = {b"%d" % number: State.KEPT for number in range(1, checkpoints)}
    assert found == {b"1": State.UNKNOWN, **wanted, b"50": State.KEPT}


async def test_what_was_written_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    store, kept = SqliteStore(path), record(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run)
        store.ended(kept)
        with trio.fail_after(5):
            while kept.payload is not None:  # noqa: ASYNC110 - a thread writes
                await trio.sleep(0.001)
        await store.load(kept)
        assert kept.payload == b"answer 1"
        store.done(kept)
        assert kept.payload is None
        nursery.cancel_scope.cancel()
    (found,) = reopened(path)
    assert (found.key, found.asked, found.expires_ms, found.byte_count) == (b"1", ASKED, LATER + 1, 8)
    assert found.payload is None


async def test_what_has_run_out_is_not_there_and_the_latest_come_first(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    store = SqliteStore(path)
    for number in range(5):
        store.ended(record(number))
    assert await store._write_pending()
    assert [each.key for each in store.restored(LATER + 1, 2)] == [b"4", b"3"]
    assert len(store.restored(0, 100)) == 3
    store.close()


async def test_what_cannot_be_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SqliteStore(tmp_path / "keys.db")
    missing = record(1)
    missing.payload = None
    with pytest.raises(OSError, match="not in the file"):
        await store.load(missing)
    store._reader.close()
    with pytest.raises(OSError, match="closed"):
        await store.load(missing)
    assert store.failures == 1
    assert "answers cannot be read" in caplog.text
    store._writer.close()


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=9")
    connection.close()
    with pytest.raises(StoreError, match="its form is 9, and this gateway knows 1"):
        SqliteStore(path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be made: No such file or directory") as raised:
        SqliteStore(tmp_path / "nowhere" / "keys.db")
    assert raised.value.fix == "name a file in a folder that is there"


def test_a_file_is_of_one_gateway(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "keys.db")
    with pytest.raises(StoreError, match="another gateway uses"):
        SqliteStore(tmp_path / "keys.db")
    store.close()
    SqliteStore(tmp_path / "keys.db").close()
