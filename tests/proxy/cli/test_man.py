"""The manual page: it is that of the commands as they are, and man can read it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli.main import COMMANDS, command
from proxy.cli.man_page import escaped, man_page

PAGE = Path(__file__).parents[3] / "docs" / "man" / "penstock.1"


def test_the_page_in_the_docs_is_up_to_date() -> None:
    assert PAGE.read_text() == man_page(), "write it anew: .venv/bin/penstock man > docs/man/penstock.1"


def test_it_tells_of_every_command_and_option() -> None:
    page = man_page().replace(r"\-", "-")
    for name in COMMANDS:
        assert f'.SS "penstock {name}"' in page
    for option in ("--rate FLOAT", "-X, --method METHOD", "--install", "--output [text|json]", "--claims JSON"):
        assert option in page


@pytest.mark.parametrize(
    ("program", "arguments"),
    [("mandoc", ["-T", "lint", "-W", "warning"]), ("groff", ["-man", "-Tutf8", "-ww", "-z"])],
)
def test_what_reads_such_pages_finds_nothing_wrong(program: str, arguments: list[str]) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed (on Debian as root: apt-get install {program})")
    done = subprocess.run([program, *arguments], input=man_page(), capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "missing date" not in line]
    assert said == []  # it has no date, since it must not change with the day


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("--edge-listen", r"\-\-edge\-listen"),
        (".config", r"\&.config"),
        ("'quoted'", r"\&\(aqquoted\(aq"),
        (r"a\nb", r"a\enb"),
        ("~/.zshrc `x` ^2", r"\(ti/.zshrc \(gax\(ga \(ha2"),
    ],
)
def test_each_character_stands_for_itself(text: str, written: str) -> None:
    assert escaped(text) == written


def test_installing_writes_to_where_man_looks(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "XDG_DATA_HOME": ""}
    result = CliRunner().invoke(command, ["man", "--install"], env=environment)
    path = tmp_path / ".local/share/man/man1/penstock.1"
    assert path.read_text() == man_page()
    assert result.stdout == f"wrote {path}; if man does not find it, have {path.parents[1]} in MANPATH\n"
    told = json.loads(CliRunner().invoke(command, ["man", "--output", "json"]).stdout)
    assert told == {"page": man_page(), "path": None}


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(command, ["man", "--install"], env={"XDG_DATA_HOME": str(tmp_path / "file")})
    assert (result.exit_code, result.stdout) == (1, "")
    assert "penstock.1 cannot be written: Not a directory" in result.stderr
