"""What is shown of a request's target: its path, and of the query as much as the operator wants."""

import re
from typing import Final

from penstock.telemetry.logs import without_secrets

HIDDEN: Final = "*"
CUT: Final = "..."
TARGET_BYTES: Final = 160
"""What a record keeps of a target (RECORD_TARGET_BYTES of csrc/record.h); one that fills it was probably cut."""

_VALUES = re.compile(r"=[^&]*")


def shown_target(target: bytes, query: str = "names") -> str:
    """Return path and query. query: `none`, `names` (stars stand for the values), or `whole`, but for secrets."""
    path, query_text = split_target(target, query)
    return f"{path}?{query_text}" if query_text else path


def split_target(target: bytes, query: str = "names") -> tuple[str, str]:
    """Return path and query apart, as `shown_target` shows them."""
    text = target.decode("ascii", "backslashreplace") + (CUT if len(target) >= TARGET_BYTES else "")
    path, _, given = text.partition("?")
    if path[:1] != "/" or "eyJ" in path or "psk_" in path or "=" in path:  # http://user:password@host, /reset/TOKEN
        path = without_secrets(path)
    return path, _shown(given, query)


def _shown(given: str, query: str) -> str:
    if not given or query == "none":
        return ""
    if query == "whole":
        return without_secrets(f"?{given}")[1:]
    parts = (_VALUES.sub(f"={HIDDEN}", part) if "=" in part else HIDDEN for part in given.split("&") if part)
    return "&".join(parts)  # a part without a name may be a secret as a whole
