"""Says in one voice what is wrong with a greeting: a HELLO, a WELCOME, an endpoint in one of them."""

import re
from typing import Final, NoReturn

from frames.errors import GreetingError
from frames.frame import FaultCode
from frames.template import quoted

PROTOCOL_VERSION: Final = 1
"""The version of docs/protocol.md that this code speaks."""

NAME_CHARACTERS_MAX: Final = 64
VERSION_CHARACTERS_MAX: Final = 255
FEATURES_MAX: Final = 64
TOKEN_CHARACTERS_MAX: Final = 4_096
"""What the page leaves open and a log line or a comparison must bound; 255 is what semver.org suggests for a
version."""

LEAVES_WITHIN_MS_MAX: Final = 0xFFFF_FFFF
"""As that of GOAWAY."""
WORKERS_MAX: Final = 256
"""Processes of one gateway: more than the cores of one machine, and what one connection may have a service dial."""

# The expression that semver.org suggests for semver 2.0.0, with its groups unnamed.
_SEMVER = re.compile(
    r"(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)"
    r"(?:-(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)


class Checker:
    """Raises GreetingError for what breaks a rule. what: ``HELLO`` or ``WELCOME``; fault_code: the usual one."""

    def __init__(self, what: str, fault_code: FaultCode) -> None:
        """Take what is checked, and the code of the FAULT for it."""
        self.what = what
        self.fault_code = fault_code

    def refuse(self, message: str, fault_code: FaultCode | None = None) -> NoReturn:
        """Raise the error."""
        raise GreetingError(fault_code or self.fault_code, f"{self.what}: {message}")

    def version(self, protocol: int) -> None:
        """Check the version of the protocol."""
        if protocol != PROTOCOL_VERSION:
            message = f"protocol is {number(protocol)}, and only version {PROTOCOL_VERSION} is spoken here"
            self.refuse(message, FaultCode.UNSUPPORTED_VERSION)

    def within(self, where: str, value: int, least: int, most: int) -> None:
        """Check a number against its bounds."""
        if not least <= value <= most:
            self.refuse(f"{where} is {number(value)}, and must be {least:,} to {most:,}")

    def count(self, where: str, count: int, most: int) -> None:
        """Check how many entries a list has."""
        if count > most:
            self.refuse(f"{where} has {count:,} entries, and at most {most:,} are allowed", FaultCode.LIMIT_EXCEEDED)

    def length(self, where: str, text: str, most: int) -> None:
        """Check that a text is not empty and not too long; it is not shown."""
        if not 0 < len(text) <= most:
            self.refuse(f"{where} has {len(text):,} characters, and must have 1 to {most:,}")

    def form(self, where: str, value: str, form: re.Pattern[str], words: str) -> None:
        """Check a text against its form; words: the form, for people."""
        if form.fullmatch(value) is None:
            self.refuse(f"{where} is {quoted(value)}, and must be {words}")

    def semver(self, version: str) -> None:
        """Check that a version is semver 2.0.0 in full."""
        if len(version) > VERSION_CHARACTERS_MAX or _SEMVER.fullmatch(version) is None:
            self.refuse(f"version is {quoted(version)}, and must be semver 2.0.0 in full, such as 1.4.0 or 2.0.0-rc.1")

    def features(self, features: tuple[str, ...]) -> None:
        """Check the names of features."""
        self.count("features", len(features), FEATURES_MAX)
        for index, feature in enumerate(features):
            self.length(f"features[{index}]", feature, NAME_CHARACTERS_MAX)

    def token(self, token: str | None) -> None:
        """Check the length of the token, which is never shown."""
        if token is not None:
            self.length("token", token, TOKEN_CHARACTERS_MAX)


def number(value: int) -> str:
    """Return the number for a message; JSON's integers have no bound, messages do."""
    return f"{value:,}" if value.bit_length() <= 64 else "a number of over 64 bits"
