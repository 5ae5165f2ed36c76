"""Settings are read with the text of their file at hand, which may be given in its place."""

from functools import partial
from pathlib import Path

import pytest

from penstock.settings import SettingsError
from proxy.config import load_gateway
from proxy.config.loader import Loader

GOOD = b"drain: {timeout: 7s}\n"


def loader(path: Path | None, text: bytes | None = None) -> Loader:
    return Loader(partial(load_gateway, {}, path=path), path, text)


def timeout_ms(load: Loader) -> int:
    return load().settings.drain.timeout_ms


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "penstock.yaml"
    path.write_bytes(GOOD)
    return path


def test_the_text_is_what_was_read_last_without_a_mistake(file: Path) -> None:
    load = loader(file)
    assert timeout_ms(load) == 7000
    assert load.text == GOOD
    file.write_bytes(b"drain: {timeout: soon}\n")
    with pytest.raises(SettingsError, match=r"penstock.yaml:1"):
        load()
    assert load.text == GOOD


def test_what_is_given_counts_whatever_stands_in_the_file(file: Path) -> None:
    file.write_bytes(b"nonsense: [")
    load = loader(file, GOOD)
    assert timeout_ms(load) == 7000
    load.give(b"drain: {timeout: 9s}\n")
    assert timeout_ms(load) == 9000
    file.unlink()
    assert timeout_ms(load) == 9000


def test_what_is_given_may_be_wrong_and_says_where_as_the_file_would(file: Path) -> None:
    with pytest.raises(SettingsError, match=rf"{file}:2"):
        loader(file, b"\ndrain: {timeout: soon}\n")()
    with pytest.raises(SettingsError, match="is larger than 1MiB"):
        loader(file, b"#" * 2_000_000)()


def test_who_reads_what_is_there_begins_to_read_what_is_given(file: Path) -> None:
    load = loader(file)
    load.give(b"drain: {timeout: 9s}\n")
    assert timeout_ms(load) == 9000


def test_a_file_that_is_not_there_is_told_as_ever(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="file_missing"):
        loader(tmp_path / "no.yaml")()


def test_without_a_file_there_is_no_text() -> None:
    load = loader(None)
    assert (timeout_ms(load), load.text) == (30_000, None)
