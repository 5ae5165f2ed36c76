"""What a check comes to."""

from typing import Literal

import msgspec

State = Literal["ok", "warning", "error"]


class Finding(msgspec.Struct, frozen=True):
    """One line of the report."""

    about: str
    """A word or two: `descriptors`, `edge.listen`."""
    state: State
    """error: a gateway would not start, or not serve; warning: it would, and somebody should look."""
    what: str
    fix: str = ""
    """What to do; empty where all is well."""


def ok(about: str, what: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(about, "ok", what)
