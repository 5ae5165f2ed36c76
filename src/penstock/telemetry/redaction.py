"""Secrets are taken out of finished lines, wherever in them they are.

Those that the process knows, its tokens, are replaced in every form in which they may stand in a line; one that was
replaced by another goes on being known. What clients and services show, their tokens, keys, cookies and passwords, is
not known, and found by what it looks like, or by what stands before it: `penstock.telemetry.secret_patterns`, loaded
with the first line that has a hint of such.
"""

import threading
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Final

import msgspec

from ..settings import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWN: Final = b"***"
KNOWN_MAX: Final = 256
"""Secrets that are known at once: beyond, the one that was learned first is forgotten."""

HINTS: Final = (
    *(b"auth", b"bearer", b"basic", b"negotiate", b"cookie", b"eyj", b"psk_", b"key", b"token", b"pass", b"pwd"),
    *(b"secret", b"session", b"assertion", b"jwt", b"sig", b"code="),
)
"""One of them, in lower case, is in every line that a pattern finds anything in; so is ``://`` with ``@``."""


class Redactor:
    """Replaces secrets in lines by stars. May be called by one thread while another lets it know of more."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        """Know these from the start; empty ones are left out."""
        self._texts: dict[str, None] = {}
        self._forms: tuple[bytes, ...] = ()
        self._lock = threading.Lock()
        self.know(secrets)

    def know(self, secrets: Iterable[Secret]) -> None:
        """Know these, too, from now on."""
        with self._lock:
            for secret in secrets:
                if secret:
                    self._texts.pop(secret.reveal(), None)
                    self._texts[secret.reveal()] = None
            while len(self._texts) > KNOWN_MAX:
                del self._texts[next(iter(self._texts))]
            forms = {form for text in self._texts for form in _forms(text)}
            self._forms = tuple(sorted(forms, key=len, reverse=True))  # a secret that contains another goes first

    def known(self, line: bytes) -> bytes:
        """Return lines without the secrets that are known: for many lines that hold nothing else of the kind."""
        for form in self._forms:
            line = line.replace(form, SHOWN)
        return line

    def __call__(self, line: bytes) -> bytes:
        """Return the line without secrets."""
        line = self.known(line)
        lower = line.lower()
        if any(hint in lower for hint in HINTS) or (b"://" in line and b"@" in line):
            return self._without_unknown(line)
        return line

    @cached_property
    def _without_unknown(self) -> "Callable[[bytes], bytes]":
        from .secret_patterns import without_secrets

        return without_secrets


def secrets_in(values: Iterable[object]) -> list[Secret]:
    """Return those of some settings' values that are secrets."""
    return [value for value in values if isinstance(value, Secret)]


def _forms(text: str) -> set[bytes]:
    """A secret as it is, as JSON and Python escape it, and as a URL has it."""
    from urllib.parse import quote  # which a process without secrets does not load

    shown = repr(text)[1:-1]
    texts = {text, shown, quote(text, safe="")}
    return {each.encode() for each in texts} | {msgspec.json.encode(each)[1:-1] for each in texts}
