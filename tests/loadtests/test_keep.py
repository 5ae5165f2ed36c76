"""`python -m loadtests keep`: a small form of a run that others can look at, and that later runs are compared with."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from loadtests.record import encode, read
from loadtests.runner.command import main
from run_records import run_record


@pytest.fixture
def record_file(tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    path.write_bytes(encode(run_record()))
    return path


def test_what_is_kept_is_small_and_is_told_as_the_whole_was_judged(tmp_path: Path, record_file: Path) -> None:
    result = CliRunner().invoke(main, ["keep", str(record_file), "first", "--into", str(tmp_path / "kept")])
    assert result.exit_code == 0, result.output
    kept, page = tmp_path / "kept" / "first.json", tmp_path / "kept" / "first.html"
    assert result.output == f"kept     {kept}\nkept     {page}\n"
    assert kept.stat().st_size < record_file.stat().st_size / 3
    assert read(kept).facts == read(record_file).facts
    assert "HELD: " in page.read_text()


def test_it_can_be_compared_with_by_its_name(
    tmp_path: Path, record_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtests.runner.command.REPORTS", tmp_path)
    CliRunner().invoke(main, ["keep", str(record_file), "first", "--into", str(tmp_path)])
    result = CliRunner().invoke(main, ["judge", str(record_file), "--baseline", "first"])
    assert "p99, baseline" in result.output
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{record}", "../x"], "'../x' is no name of a file; write letters, digits, dots and dashes"),
        (["/nowhere", "x"], "/nowhere cannot be read: No such file or directory; "),
        (["{record}", "x", "--thresholds", "none such"], "there is no file "),
        (["{record}", "x", "--into", "/proc/nowhere"], "/proc/nowhere cannot be written to: "),
    ],
)
def test_what_is_wrong_is_said(record_file: Path, words: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["keep", *(word.replace("{record}", str(record_file)) for word in words)])
    assert result.exit_code == 2
    assert result.output.startswith(f"loadtests: {said}")
