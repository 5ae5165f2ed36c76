"""Where commands write: `--output json`, as every command has it that ends by itself, and files for other programs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from .failures import EXIT_RUNTIME, tell

Command = Callable[..., None]


def output_option(words: str = "How to show it.") -> Callable[[Command], Command]:
    """Return what adds `--output` to a command."""
    return click.option("--output", type=click.Choice(["text", "json"]), default="text", help=words)


def echo_json(value: Any) -> None:
    """Write a value as JSON, for programs, and laid out for people."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def install_file(path: Path, text: str, command: str) -> None:
    """Write a file where another program looks for it; where that cannot be, say what to do instead, and end."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        tell("error", f"{path} cannot be written: {error.strerror}; redirect `{command}` to a file instead")
        sys.exit(EXIT_RUNTIME)
