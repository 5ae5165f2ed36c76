"""Values of options that are written as in the settings: durations, fields of a head, bodies."""

import sys
from pathlib import Path
from typing import Any

import click

from penstock.settings.errors import BadValueError
from penstock.settings.types import Duration

BODY_BYTES_MAX = 64 << 20


class DurationParameter(click.ParamType[int]):
    """A duration as `250ms` or `10s`, in milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it, or fail with what is wrong."""
        if isinstance(value, int):
            return value
        try:
            milliseconds = Duration("ms").parse_text(value)
        except BadValueError as error:
            self.fail(f"{error.why}; {error.fix}", param, ctx)
        if milliseconds <= 0:
            self.fail("it must be longer than nothing", param, ctx)
        return milliseconds


class HeaderParameter(click.ParamType[tuple[str, str]]):
    """A field of a head as `name:value`."""

    name = "name:value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Read it, or fail with what is wrong. The value is not shown, since it may be a secret."""
        if isinstance(value, tuple):
            return value
        name, colon, text = value.partition(":")
        if not colon or not name or not name.isascii() or not name.isprintable() or " " in name:
            self.fail("it is no header field; write NAME:VALUE", param, ctx)
        if not all(character == "\t" or character.isprintable() for character in text):
            self.fail(f"the value of {name} holds a control character", param, ctx)
        return name, text.strip()


class BodyParameter(click.ParamType[bytes]):
    """A body: text, or `@FILE`, or `@-` for what comes by standard input."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Read it, or fail with what is wrong."""
        if isinstance(value, bytes):
            return value
        if not value.startswith("@"):
            return str(value).encode()
        try:
            body = _read(value[1:])
        except OSError as error:
            self.fail(f"{value[1:]} cannot be read: {error.strerror}", param, ctx)
        if len(body) > BODY_BYTES_MAX:
            self.fail(f"{value[1:]} is longer than 64 MiB", param, ctx)
        return body


def _read(path: str) -> bytes:
    """Return at most one byte more than a body may have, of a file or of standard input."""
    if path == "-":
        return sys.stdin.buffer.read(BODY_BYTES_MAX + 1)
    with Path(path).open("rb") as file:
        return file.read(BODY_BYTES_MAX + 1)


DURATION, HEADER, BODY = DurationParameter(), HeaderParameter(), BodyParameter()
