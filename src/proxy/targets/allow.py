"""Which service may come in, and which paths it may register.

Two settings: a token that every service must show, and, by service name, the path prefixes that it may offer. A
prefix covers whole segments: ``/invoices`` covers ``/invoices`` and ``/invoices/{id}``, not ``/invoicesX``; ``/``
covers everything.
"""

import hmac
from collections.abc import Mapping, Sequence

from frames.errors import GreetingError
from frames.frame import FaultCode
from frames.greeting import Hello
from frames.template import parameter_name, quoted, wildcard_name

SETTING = "PENSTOCK_SERVICES_ALLOW"
"""The setting that a message names; also ``services.allow`` in a file."""


class AllowList:
    """Judges a HELLO before anything is registered. The token is kept out of ``repr`` and of every message."""

    def __init__(self, allowed: Mapping[str, Sequence[str]] | None = None, token: str = "") -> None:
        """Take path prefixes by service name (empty: all may register all) and the token (empty: none is asked for)."""
        self._allowed = {name: tuple(map(_segments, prefixes)) for name, prefixes in (allowed or {}).items()}
        self._token = token.encode()

    def __repr__(self) -> str:
        """How many services are named, and whether a token is asked for."""
        return f"<AllowList services={len(self._allowed) or 'all'} token={'asked' if self._token else 'none'}>"

    def check(self, hello: Hello) -> None:
        """Raise GreetingError, UNAUTHENTICATED or FORBIDDEN, when the service may not register what it says."""
        self._check_token(hello.token)
        self.check_names(hello)

    def check_names(self, hello: Hello) -> None:
        """Raise GreetingError, FORBIDDEN, when the service may not have its name or one of its paths."""
        if not self._allowed:
            return
        prefixes = self._allowed.get(hello.service)
        if prefixes is None:
            raise GreetingError(
                FaultCode.FORBIDDEN,
                f"the service {quoted(hello.service)} may not register here; add it to {SETTING} of the gateway",
            )
        for endpoint in hello.listed:
            if not any(_covers(prefix, _segments(endpoint.path)) for prefix in prefixes):
                raise GreetingError(
                    FaultCode.FORBIDDEN,
                    f"the service {quoted(hello.service)} may not register {endpoint.method} {quoted(endpoint.path)};"
                    f" add a prefix of that path to its entry in {SETTING} of the gateway",
                )

    def _check_token(self, token: str | None) -> None:
        """Compare in constant time, so that how long a refusal takes tells nothing of the token."""
        if not self._token:
            return
        if token is None:
            raise GreetingError(
                FaultCode.UNAUTHENTICATED,
                "HELLO has no token, and this gateway asks for one; set PENSTOCK_SERVICE_TOKEN",
            )
        if not hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token):
            raise GreetingError(FaultCode.UNAUTHENTICATED, "HELLO has a token that is not this gateway's")


def _segments(path: str) -> tuple[str, ...]:
    """Return the path's segments; a slash at the end adds none."""
    return tuple(path.strip("/").split("/")) if path.strip("/") else ()


def _covers(prefix: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether the path begins with the prefix, segment by segment.

    A parameter in the prefix covers any one segment, a wildcard any that follow its slash. A parameter in the path is
    covered by those alone, since ``/{anything}`` matches more than ``/invoices`` allows; a wildcard only by a prefix
    that ends before it, or by a wildcard.
    """
    if len(path) < len(prefix):
        return False
    return all(_covers_segment(want, have) for want, have in zip(prefix, path, strict=False))


def _covers_segment(want: str, have: str) -> bool:
    if wildcard_name(want) is not None:
        return True
    return want == have or (parameter_name(want) is not None and wildcard_name(have) is None)


class Admission:
    """The allow list that holds now. It is replaced when the configuration is, and judges HELLOs from then on."""

    def __init__(self, allow: AllowList) -> None:
        """Begin with this list."""
        self.allow = allow

    def check(self, hello: Hello) -> None:
        """Judge a HELLO that came."""
        self.allow.check(hello)

    def check_again(self, hello: Hello) -> None:
        """Judge what is registered: the token was right when it came, and was not kept."""
        self.allow.check_names(hello)
