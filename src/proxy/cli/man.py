"""`penstock man`: the manual page, as this version has it."""

import os
import sys
from pathlib import Path

import click

from .failures import EXIT_RUNTIME, tell
from .output import echo_json, output_option


@click.command(short_help="Show or install the manual page.")
@click.option("--install", is_flag=True, help="Write it to where man looks for it, for this user.")
@output_option()
def command(install: bool, output: str) -> None:
    """Write the manual page of penstock, made from its commands.

    \b
    penstock man | man -l -
    penstock man --install && man penstock
    """  # noqa: D301 - \b is for click, which keeps the lines of such a paragraph
    from .man_page import man_page

    page = man_page()
    path = _install(page) if install else None
    if output == "json":
        told = {"page": page, "path": None if path is None else str(path)}
        echo_json(told)
    elif path is not None:
        click.echo(f"wrote {path}; if man does not find it, have {path.parents[1]} in MANPATH")
    else:
        click.echo(page, nl=False)


def _install(page: str) -> Path:
    home = Path(os.environ.get("HOME") or Path.home())
    path = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share") / "man/man1/penstock.1"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        tell("error", f"{path} cannot be written: {error.strerror}; redirect `penstock man` to a file instead")
        sys.exit(EXIT_RUNTIME)
    return path
