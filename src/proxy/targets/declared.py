"""What an endpoint declares, judged where the protocol leaves the meaning to the gateway: its rate limits."""

from frames.errors import GreetingError
from frames.frame import FaultCode
from frames.greeting import Hello
from frames.template import quoted, shown
from penstock.settings.rate import parse_rate_limit
from penstock.settings.types import BadValueError

PROBLEM_CHARACTERS_MAX = 300


def check_declared(hello: Hello) -> None:
    """Raise GreetingError, INVALID_HELLO, for the first rate limit that means nothing here."""
    for endpoint in hello.listed:
        for text in endpoint.rate_limits:
            try:
                parse_rate_limit(text)
            except BadValueError as error:
                raise GreetingError(
                    FaultCode.INVALID_HELLO,
                    f"HELLO: a rate limit of {endpoint.method} {quoted(endpoint.path)}:"
                    f" {shown(str(error), PROBLEM_CHARACTERS_MAX)}",
                ) from None
