"""`penstock doctor`: what is wrong with this machine, this installation and these settings, and what to do about it."""

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from penstock.settings import SettingsError

from .columns import strong
from .failures import EXIT_RUNTIME
from .options import SettingsCommand, load_settings
from .output import echo_json, output_option

if TYPE_CHECKING:
    from ..doctor.finding import Finding

_STATE_WIDTH = 9
_COLUMNS_MAX = 140


@click.command(cls=SettingsCommand, short_help="Look for what is wrong here, and say what to do.")
@output_option("How to show what is found.")
@click.pass_context
def command(ctx: click.Context, /, output: str, **_: object) -> None:
    """Look for what is wrong with this machine, this installation and these settings: versions, the extension, clock,
    cores, descriptors, memory, certificates, ports, and the gateway that runs already, if one does. Each finding comes
    with what to do. Nothing is changed; each address is listened on for a moment.

    Exits with 1 when something is found without which a gateway would not start or not serve; warnings are no reason.
    """
    findings = _find(ctx)
    if output == "json":
        echo_json(findings)
    else:
        _show(findings)
    if any(finding.state == "error" for finding in findings):
        sys.exit(EXIT_RUNTIME)


def _find(ctx: click.Context) -> "list[Finding]":
    from ..doctor.checks import check_all, judge_settings, without_settings
    from .check_files import check_files

    try:
        loaded = load_settings(ctx)
    except SettingsError as error:  # what hangs on them cannot be looked at
        return [*without_settings(), *judge_settings((), list(error.problems))]
    return list(check_all(loaded, check_files(loaded)))


def _show(findings: "list[Finding]") -> None:
    width = max(len(finding.about) for finding in findings)
    columns = min(shutil.get_terminal_size().columns, _COLUMNS_MAX)
    gap = " " * (_STATE_WIDTH + width + 2)
    for finding in findings:
        state = f"{finding.state:{_STATE_WIDTH}}"
        lines = textwrap.wrap(finding.what, max(40, columns - len(gap))) or [""]
        if finding.fix:
            lines += textwrap.wrap(f"-> {finding.fix}", max(40, columns - len(gap)), subsequent_indent="   ")
        click.echo(f"{state if finding.state == 'ok' else strong(state)}{finding.about:{width}}  {lines[0]}")
        for line in lines[1:]:
            click.echo(f"{gap}{line}")
    errors, warnings = (sum(finding.state == state for finding in findings) for state in ("error", "warning"))
    click.echo(f"\n{len(findings)} checks: {_count(errors, 'error')}, {_count(warnings, 'warning')}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
