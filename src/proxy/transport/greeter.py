"""What is made of a HELLO before it is registered: may it be said here, and which list of endpoints does it mean?"""

from collections.abc import Callable

from msgspec.structs import replace

from frames.errors import GreetingError
from frames.frame import FaultCode
from frames.greeting import CALLS, DIGEST, PROTOCOL_VERSION, Hello, Welcome, check_welcome
from proxy.transport.lists import KnownLists
from proxy.transport.port import FramedSettings


class Greeter:
    """Judges HELLOs, and has the answers to them."""

    def __init__(self, settings: FramedSettings, check: Callable[[Hello], None], *, carries_calls: bool) -> None:
        """Take the settings, who raises GreetingError for a HELLO that is not let in, and whether services may call.

        GreetingError when the settings make a WELCOME that services would refuse.
        """
        self.welcome = Welcome(
            protocol=PROTOCOL_VERSION,
            features=(*settings.features, CALLS) if carries_calls else settings.features,
            gateway=settings.gateway,
            heartbeat_ms=round(settings.heartbeat_s * 1000),
            credit_bytes=settings.credit_bytes,
        )
        check_welcome(self.welcome)
        self.wants_endpoints = replace(self.welcome, wants_endpoints=True)
        self._check = check
        self._lists = KnownLists()

    def whole(self, hello: Hello) -> Hello | None:
        """Return the HELLO with its list of endpoints, or None when it is slim and its digest is not known.

        GreetingError when it is not let in, alone or with the list that it stands for, or must not be slim.
        """
        self._check(hello)
        if hello.endpoints is not None:
            return hello
        if not self._knows_digests(hello):
            raise GreetingError(
                FaultCode.INVALID_HELLO,
                f"HELLO: endpoints is missing, which only may be where both sides name the feature '{DIGEST}'",
            )
        known = self._lists.find(hello.service, hello.digest or "")
        if known is None:
            return None
        whole = replace(hello, endpoints=known)
        self._check(whole)
        return whole

    def registered(self, hello: Hello) -> None:
        """Remember the list of a HELLO that was registered, for when its service says only the digest."""
        if self._knows_digests(hello):
            self._lists.keep(hello.service, hello.listed)

    def _knows_digests(self, hello: Hello) -> bool:
        return DIGEST in hello.features and DIGEST in self.welcome.features
