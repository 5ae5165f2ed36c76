"""What is made of a HELLO before it is registered: may it be said here, and which list of endpoints does it mean?"""

import logging
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from frames.errors import GreetingError
from frames.frame import FaultCode
from frames.greeting import CALLS, DIGEST, PROTOCOL_VERSION, WORKERS, Hello, Welcome, WorkerPlace, check_welcome
from frames.greeting_rules import LEAVES_WITHIN_MS_MAX
from proxy.transport.link import Link
from proxy.transport.lists import KnownLists
from proxy.transport.port import FramedSettings

logger = logging.getLogger("penstock.services")


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
        self.check = check
        """Raises GreetingError for a HELLO that is not let in. May be replaced at any time."""
        self._lists = KnownLists()
        self._advertised_host = settings.advertised_host
        self._with_workers: Welcome | None = None
        self._leaves_within_ms: int | None = None

    def whole(self, hello: Hello) -> Hello | None:
        """Return the HELLO with its list of endpoints, or None when it is slim and its digest is not known.

        GreetingError when it is not let in, alone or with the list that it stands for, or must not be slim.
        """
        self.check(hello)
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
        self.check(whole)
        return whole

    def change_workers(self, own_id: str, workers: Iterable[WorkerPlace]) -> None:
        """Say from now on that this process is one of several. GreetingError: services would refuse it."""
        host = self._advertised_host
        places = tuple(replace(place, host=host) if host else place for place in workers)
        features = self.welcome.features
        named = features if WORKERS in features else (*features, WORKERS)
        welcome = replace(self.welcome, features=named, worker=own_id, workers=places)
        check_welcome(welcome)
        self._with_workers = welcome

    def leave(self, within_ms: int) -> None:
        """Say from now on that this process is about to go."""
        self._leaves_within_ms = min(within_ms, LEAVES_WITHIN_MS_MAX)

    def tells(self, link: Link) -> bool:
        """Whether the service is told unasked when something is other than before. Who was dialled: of the end only."""
        hello = link.session.maybe_hello
        is_concerned = not link.session.dialled or self._leaves_within_ms is not None
        return hello is not None and WORKERS in hello.features and is_concerned

    def answer(self, link: Link) -> Welcome:
        """Return the WELCOME for a service that is registered. Of workers those are told that have dialled."""
        welcome = self.welcome
        if not self.tells(link):
            return welcome
        if self._with_workers is not None and not link.session.dialled:
            welcome = self._with_workers
        return replace(welcome, leaves_within_ms=self._leaves_within_ms)

    def registered(self, link: Link, hello: Hello) -> None:
        """Remember the list of a HELLO that was registered, for when its service says only the digest."""
        workers = self._with_workers.workers if self._with_workers else None
        if workers and len(workers) > 1 and not link.session.dialled and not self.tells(link):
            logger.warning(
                "%s: is reached through this worker only, one of %d, since it cannot follow a list of workers;"
                " update the library that it is built with",
                link.name,
                len(workers),
            )
        if self._knows_digests(hello):
            self._lists.keep(hello.service, hello.listed)

    def _knows_digests(self, hello: Hello) -> bool:
        return DIGEST in hello.features and DIGEST in self.welcome.features
