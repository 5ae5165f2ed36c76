"""`penstock completion`: has a shell complete commands, flags and values."""

import os
import sys
from pathlib import Path
from typing import Final, NamedTuple

import click
from click.shell_completion import ShellComplete, get_completion_class

from .failures import EXIT_RUNTIME, tell
from .output import echo_json, install_file, output_option

PROGRAM: Final = "penstock"
VARIABLE: Final = "_PENSTOCK_COMPLETE"
SHELLS: Final = ("bash", "zsh", "fish")


class Place(NamedTuple):
    """Where a shell looks for what completes a program, and what else it wants for that."""

    path: Path
    then: str


@click.command(short_help="Have a shell complete commands and flags.")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.option("--install", is_flag=True, help="Write it to where the shell looks for it, for this user.")
@output_option()
def command(shell: str | None, install: bool, output: str) -> None:
    """Write what has SHELL complete the commands of penstock, their flags and values. Without SHELL, it is the one that
    $SHELL names.

    \b
    penstock completion --install          # for good
    source <(penstock completion bash)     # in this terminal only
    """  # noqa: D301 - \b is for click, which keeps the lines of such a paragraph
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        tell("error", f"$SHELL names none of {', '.join(SHELLS)}; name one: penstock completion bash")
        sys.exit(EXIT_RUNTIME)
    script = script_for(name)
    place = place_for(name, os.environ) if install else None
    if place is not None:
        install_file(place.path, script, "penstock completion")
    if output == "json":
        told = {"shell": name, "script": script, "path": None if place is None else str(place.path)}
        echo_json(told)
    elif place is not None:
        click.echo(f"wrote {place.path}; {place.then}")
    else:
        click.echo(script)


def script_for(shell: str) -> str:
    """Return what the shell is to read."""
    from .main import command as penstock

    completing = get_completion_class(shell)
    assert completing is not None  # noqa: S101 - click knows all of SHELLS
    return ShellComplete.source(completing(penstock, {}, PROGRAM, VARIABLE))  # bash's own asks bash for its version


def place_for(shell: str, environment: "os._Environ[str] | dict[str, str]") -> Place:
    """Return where the shell looks for what belongs to this user."""
    home = Path(environment.get("HOME") or Path.home())
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local/share")
    if shell == "fish":
        configuration = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
        return Place(configuration / "fish/completions/penstock.fish", "fish reads it by itself")
    if shell == "zsh":
        folder = data / "zsh/site-functions"
        return Place(folder / "_penstock", f"have `fpath=({folder} $fpath)` in ~/.zshrc, before compinit")
    folder = Path(environment.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion") / "completions"
    return Place(folder / "penstock", "new terminals have it, where the package bash-completion is installed")
