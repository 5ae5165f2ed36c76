"""The manual page, penstock(1), written from the commands themselves (man(7) macros)."""

import inspect
import re
from collections.abc import Iterator
from typing import Final

import click

from proxy import __version__

from .main import SECTIONS
from .main import command as penstock
from .options import SettingsCommand

_KEPT: Final = "\b"
"""How click marks a paragraph whose lines are to stay."""
_EXIT: Final = (
    ("0", "It was done, and all is well."),
    ("1", "It could not be done, or what was asked for is not well; standard error has a line that says why."),
    ("2", "The command or the settings are wrong; each mistake has a line."),
    ("130", "It was interrupted."),
)


def man_page() -> str:
    """Return the page."""
    context = click.Context(penstock, info_name="penstock")
    lines = [
        f'.TH PENSTOCK 1 "" "penstock {__version__}" "User Commands"',
        ".SH NAME",
        r"penstock \- a gateway: HTTP/1.1 at the edge, services behind a multiplexed frame protocol",
        ".SH SYNOPSIS",
        r"\fBpenstock\fP \fIcommand\fP [\fIoptions\fP] [\fIarguments\fP]",
        ".SH DESCRIPTION",
        *_paragraphs(penstock.help or ""),
    ]
    for title, names in SECTIONS.items():
        lines += [f'.SH "COMMANDS: {title.upper()}"']
        for name in names:
            command = penstock.get_command(context, name)
            assert command is not None  # noqa: S101 - it is in the table
            lines += _command(command, f"penstock {name}")
    return "\n".join([*lines, *_settings(), *_exit_status(), *_see_also(), ""])


def escaped(text: str) -> str:
    """Return a text as it must be written, so that each character stands for itself."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("^", r"\(ha").replace("~", r"\(ti")
    text = text.replace("`", r"\(ga").replace("'", r"\(aq")
    return rf"\&{text}" if text.startswith((".", "\\(aq")) else text


def _command(command: click.Command, name: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        yield from _heading(command, name, r"\fIcommand\fP")
        context = click.Context(command, info_name=name)
        for each in command.list_commands(context):
            inner = command.get_command(context, each)
            assert inner is not None  # noqa: S101 - it lists it
            yield from _command(inner, f"{name} {each}")
        return
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    context = click.Context(command, info_name=name)
    words = [rf"\fI{escaped(each.make_metavar(context))}\fP" for each in arguments]
    yield from _heading(command, name, " ".join([r"[\fIoptions\fP]", *words]))
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            yield from _option(option, context)


def _heading(command: click.Command, name: str, words: str) -> Iterator[str]:
    yield f'.SS "{escaped(name)}"'
    yield rf"\fB{escaped(name)}\fP {words}"
    yield ".PP"
    yield from _paragraphs(command.help or "")
    if isinstance(command, SettingsCommand):
        yield ".PP"
        yield rf"Takes \fB{escaped('--config')}\fP and the flag of every setting, too (see SETTINGS)."


def _option(option: click.Option, context: click.Context) -> Iterator[str]:
    record = option.get_help_record(context)
    if record is None:
        return
    yield ".TP"
    yield rf"\fB{escaped(record[0])}\fP"
    yield escaped(" ".join(record[1].split())) or r"\&"


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a command's help; what click keeps the lines of is kept here, too."""
    for number, paragraph in enumerate(re.split(r"\n\s*\n", inspect.cleandoc(text))):
        if number:
            yield ".PP"
        if paragraph.startswith(_KEPT):
            yield from (".nf", *map(escaped, paragraph.removeprefix(_KEPT).strip("\n").splitlines()), ".fi")
        else:
            yield escaped(" ".join(paragraph.split()))


def _settings() -> Iterator[str]:
    yield ".SH SETTINGS"
    yield escaped(
        "A setting is given by a flag, an environment variable or a file, and counts in that order; then comes the "
        "default. The flag of edge.listen is --edge-listen, its variable is PENSTOCK_EDGE_LISTEN, and in the YAML or "
        "TOML file that --config names it stands as listen below edge. A secret can be read from the file that its "
        "variable with _FILE at the end names."
    )
    yield ".PP"
    yield escaped("penstock config show lists all of them, with their values, where these come from, and why.")
    yield ".SH ENVIRONMENT"
    for name, words in (("NO_COLOR", "Where it is set, nothing is shown in bold or colour."),):
        yield from (".TP", rf"\fB{escaped(name)}\fP", escaped(words))


def _exit_status() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    for code, words in _EXIT:
        yield from (".TP", rf"\fB{code}\fP", escaped(words))


def _see_also() -> Iterator[str]:
    yield ".SH SEE ALSO"
    yield escaped("docs/operations.md, docs/settings.md, docs/metrics.md and docs/reasons.md of the distribution.")
