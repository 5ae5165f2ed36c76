"""`--output json`, as every command has it that ends by itself."""

from collections.abc import Callable
from typing import Any

import click
import msgspec

Command = Callable[..., None]


def output_option(words: str = "How to show it.") -> Callable[[Command], Command]:
    """Return what adds `--output` to a command."""
    return click.option("--output", type=click.Choice(["text", "json"]), default="text", help=words)


def echo_json(value: Any) -> None:
    """Write a value as JSON, for programs, and laid out for people."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
