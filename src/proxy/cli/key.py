"""`penstock key`: makes an API key, shows it once, and says what belongs into the configuration."""

import sys

import click

from penstock.settings.errors import BadValueError
from penstock.settings.identity import api_keys_kind

from .failures import EXIT_CONFIGURATION, tell
from .output import echo_json, output_option


@click.command(short_help="Make an API key.")
@click.argument("principal")
@click.option("--tenant", "tenants", multiple=True, metavar="TENANT", help="Act for this tenant only; may be repeated.")
@click.option("--expires", default="", metavar="WHEN", help="Refuse the key from then on, such as 2027-12-31.")
@output_option("How to show it; json has the key and the entry on standard output.")
def command(principal: str, tenants: tuple[str, ...], expires: str, output: str) -> None:
    """Make an API key for PRINCIPAL: a machine, or whatever else asks without a person.

    The key goes to standard output, and is shown only now: the gateway knows nothing but its hash, which the entry for
    the configuration has. That goes to standard error, so that `penstock key reports > key.txt` keeps the two apart.
    """
    from ..policy.identity.api_keys import make_key

    made = make_key()
    entry: dict[str, str | list[str]] = {"principal": principal, "hash": made.hash}
    entry |= {"tenants": list(tenants)} if tenants else {}
    entry |= {"expires": expires} if expires else {}
    try:
        api_keys_kind().parse([entry])
    except BadValueError as bad:
        for fault in bad.faults:
            tell("error", f"{fault.path[1] if len(fault.path) > 1 else 'key'}: {fault}")
        sys.exit(EXIT_CONFIGURATION)
    if output == "json":
        echo_json({"key": made.key, "entry": entry})
        return
    click.echo(made.key)
    click.echo(_entry(entry), err=True)


def _entry(entry: dict[str, str | list[str]]) -> str:
    from penstock.settings.flow import render_flow

    lines = "\n".join(f"      {name}: {render_flow(value)}" for name, value in entry.items()).strip()
    return f"""
Give the key to {entry["principal"]}, which shows it in X-Api-Key. It cannot be shown again.
Put this into the configuration, and make the gateway read it by `penstock reload`:

identity:
  api_keys:
    - {lines}"""
