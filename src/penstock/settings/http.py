"""Kinds for what a request has: methods, paths, names of header fields."""

import re

from frames.frame import Method
from frames.template import TemplateError, check_template, wildcard_name

from .types import BadValueError, TextKind

NONE = "none"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")


class MethodName(TextKind[Method]):
    """A method that a service may offer."""

    label = "method"
    example = "GET"

    def parse_text(self, text: str) -> Method:
        """Read its name, which is in capitals (RFC 9110, section 9.1)."""
        method = Method.__members__.get(text)
        if method is None:
            near = text.upper() if text.upper() in Method.__members__ else "one of " + ", ".join(Method.__members__)
            raise BadValueError(f"{text!r} is no method that a service can offer", f"write {near}")
        return method

    def render(self, value: Method) -> str:
        """Return its name."""
        return value.name


class PathPrefix(TextKind[str]):
    """A path that stands for itself and all below it; ``{name}`` covers any one segment."""

    label = "path"
    example = "/invoices"

    def parse_text(self, text: str) -> str:
        """Read a template without a wildcard, which would add nothing."""
        try:
            check_template(text)
        except TemplateError as error:
            raise BadValueError(f"{text!r} is no path: it {error}", f"write a path like {self.example}") from None
        rest, _, last = text.rpartition("/")
        if wildcard_name(last) is not None:
            raise BadValueError("a path covers all below it by itself", f"write {rest or '/'}")
        return text


class FieldName(TextKind[str]):
    """The name of a header field, in lower case; ``none`` for no field, which is the empty text."""

    label = "field name"
    example = "x-service-version"

    def parse_text(self, text: str) -> str:
        """Read a token of RFC 9110, section 5.6.2."""
        if not _TOKEN.fullmatch(text):
            raise BadValueError(f"{text!r} is no name of a header field", f"write {self.example}, or {NONE}")
        return "" if text.lower() == NONE else text.lower()

    def render(self, value: str) -> str:
        """Return the name, or ``none``."""
        return value or NONE


_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_PATTERN = re.compile(rf"\*|(?:\*\.)?{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\]")
_HOST_CHARACTERS_MAX = 253


class HostPattern(TextKind[str]):
    """A host without its port, ``*.example.com`` for all below one, or ``*`` for all; in lower case."""

    label = "host"
    example = "api.example.com, *.example.com or *"

    def parse_text(self, text: str) -> str:
        """Read one; a dot at the end does not count."""
        host = text.lower().removesuffix(".")
        if len(host) > _HOST_CHARACTERS_MAX or not _HOST_PATTERN.fullmatch(host):
            raise BadValueError(f"{text!r} is no host", f"write a host without its port, like {self.example}")
        return host
