"""`penstock man`: the manual page, as this version has it."""

import os
from pathlib import Path

import click

from .output import echo_json, install_file, output_option


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
    install_file(path, page, "penstock man")
    return path
