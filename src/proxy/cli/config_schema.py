"""`penstock config schema`: the JSON Schema of the settings file."""

import click

from ..config import gateway_registry
from .output import echo_json, output_option


@click.command(short_help="Write the JSON Schema of the settings file.")
@output_option("It is JSON, whatever is said here.")
def command(output: str) -> None:
    """Write the JSON Schema of the settings file, so that editors complete keys and mark mistakes.

    \b
    penstock config schema > penstock.schema.json
    # and then, as the first line of penstock.yaml:
    # yaml-language-server: $schema=penstock.schema.json
    """  # noqa: D301 - \b is for click, which keeps the lines of such a paragraph
    from penstock.settings.schema import json_schema

    schema = json_schema(gateway_registry(), "Settings of a Penstock gateway")
    echo_json(schema)
