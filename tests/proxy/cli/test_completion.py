"""Completion in the shells themselves, where they are installed, and where it is written to."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli.completion import SHELLS, place_for, script_for
from proxy.cli.main import COMMANDS, command

PROGRAM = Path(sys.executable).with_name("penstock")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PENSTOCK_"):
            monkeypatch.delenv(name)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(command, ["completion", *arguments], env=environment)


def needs(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed (on Debian as root: apt-get install {shell})")
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not installed (pip install -e .)")


def ask(*words: str) -> str:
    """What the shell runs when the key is pressed, and what it is told."""
    environment = {**os.environ, "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [PROGRAM],
        env={**environment, "_PENSTOCK_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def in_shell(shell: str, script: str, *arguments: str) -> str:
    environment = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "TERM": "dumb"}
    done = subprocess.run(
        [shell, *arguments, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_bash() -> None:
    needs("bash")
    pressed = """
press() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _penstock_completion penstock; echo "${COMPREPLY[@]}"
}
press penstock ser
press penstock serve --edge-par
press penstock serve --edge-parsing t
complete -p penstock
"""
    lines = in_shell("bash", script_for("bash") + pressed).splitlines()
    assert lines == [
        *("serve services", "--edge-parsing", "tolerant"),
        "complete -o nosort -F _penstock_completion penstock",
    ]


def test_fish() -> None:
    needs("fish")
    told = in_shell("fish", script_for("fish") + "\ncomplete -C 'penstock ser'", "--no-config")
    assert [line.split("\t")[0] for line in told.splitlines()] == ["serve", "services"]


def test_zsh_reads_it() -> None:
    needs("zsh")
    script = f"autoload -Uz compinit; compinit -u -D; {script_for('zsh')}\necho ${{_comps[penstock]}}"
    assert in_shell("zsh", script, "-f").strip() == "_penstock_completion"


def test_commands_are_completed_without_importing_any() -> None:
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not installed (pip install -e .)")
    assert ask("penstock", "").split() == [f"plain,{name}" for name in COMMANDS]
    program = (
        "import sys; from proxy.cli.main import command; context = command.make_context('penstock', [''],"
        " resilient_parsing=True); command.shell_complete(context, '');"
        "print(sorted({'proxy.cli.serve', 'proxy.cli.bench', 'trio'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("penstock", "config", "s"), ["plain,show", "plain,schema"]),
        (("penstock", "serve", "--config", "/e"), ["file,/e"]),
        (("penstock", "serve", "--services-token-file", ""), ["file,"]),
        (("penstock", "serve", "--edge-reason-header", ""), ["plain,true", "plain,false"]),
        (("penstock", "completion", ""), ["plain,bash", "plain,zsh", "plain,fish"]),
        (("penstock", "reload", "--output", "j"), ["plain,json"]),
    ],
)
def test_values(words: tuple[str, ...], told: list[str]) -> None:
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not installed (pip install -e .)")
    assert ask(*words).splitlines() == told


@pytest.mark.parametrize("shell", SHELLS)
def test_installing_writes_to_where_the_shell_looks(shell: str, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "", "BASH_COMPLETION_USER_DIR": ""}
    result = run(shell, "--install", **environment)
    assert result.exit_code == 0, result.output
    place = place_for(shell, environment)
    assert place.path.read_text() == script_for(shell)
    assert result.stdout == f"wrote {place.path}; {place.then}\n"
    told = json.loads(run(shell, "--install", "--output", "json", **environment).stdout)
    assert (told["shell"], told["path"]) == (shell, str(place.path))


def test_folders_that_the_user_has_named() -> None:
    environment = {"HOME": "/home/a", "XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/config"}
    assert [str(place_for(shell, environment).path) for shell in SHELLS] == [
        "/data/bash-completion/completions/penstock",
        "/data/zsh/site-functions/_penstock",
        "/config/fish/completions/penstock.fish",
    ]


def test_the_shell_is_that_of_the_user() -> None:
    assert run(SHELL="/usr/bin/fish").stdout == run("fish").stdout
    unknown = run(SHELL="/bin/tcsh")
    assert unknown.exit_code == 1
    assert (
        unknown.stderr == "penstock: error: $SHELL names none of bash, zsh, fish; name one: penstock completion bash\n"
    )


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("fish", "--install", HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path / "file"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "penstock.fish cannot be written: Not a directory" in result.stderr
