"""Fleet: how every instance is, asked of all at once, in one shape that does not change within a version.

    {"version": 1, "complete": false, "at": 1764230400.0,
     "gateway": {"instance": "gw-1", "version": "1.0.0", "ready": true, "reasons": [], "in_flight": 3},
     "summary": {"instances": 2, "ready": 1, "healthy": 2, "degraded": 0, "unhealthy": 0, "draining": 0},
     "instances": [
        {"service": "billing", "instance": "billing-1", "version": "1.4.0", "region": "local",
         "health": "healthy", "why": "", "ready": true, "reasons": [],
         "metrics": {"in_flight": 0, "latency_us": 180, "load_percent": 0.0, "unsent_bytes": 0, "connected_s": 12.5,
                     "concurrency": 100, "uptime_s": 12.9, "cpu_s": 0.31, "rss_bytes": 41943040},
         "leg": {"ok": true, "reason": null, "ms": 0.6}}]}

``health`` and the first five metrics are what the gateway knows without asking. ``ready``, its reasons and the last
four are what the instance itself has said: null, and none, where its leg is not ok. ``complete``: every leg is.

Many who look ask nobody more often than once a second: who comes while all are being asked waits for the same page.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import trio

from frames.frame import CancelReason, Method
from proxy.errors import BAD_RESPONSE, Reason
from proxy.fanout.asking import Asker, Asking, Leg, Question
from proxy.fanout.fan import Rule
from proxy.fanout.merged import LegName
from proxy.fanout.results import LegResult
from proxy.request.originated import Outgoing, Place
from proxy.request.stage import Answer

VERSION: Final = 1
AT_ONCE: Final = 16
LEG_MS: Final = 1_000
ALL_S: Final = 5.0
"""For all of them: the page is there before its listener loses patience."""
KEPT_S: Final = 1.0
BYTES_MAX: Final = 1_048_576
"""Of all that instances say: a thousand of them at a KiB each."""

REASONS_MAX: Final = 16
REASON_CHARACTERS_MAX: Final = 256
HEALTHS: Final = ("healthy", "degraded", "unhealthy", "draining")
_OK: Final = 200


class Said(msgspec.Struct, frozen=True):
    """What an instance says of itself (docs/protocol.md, section 5, Status)."""

    ready: bool
    reasons: list[str] = []
    in_flight: int | None = None
    concurrency: int | None = None
    uptime_s: float | None = None
    cpu_s: float | None = None
    rss_bytes: int | None = None


_OWN: Final = ("concurrency", "uptime_s", "cpu_s", "rss_bytes")
_read = msgspec.json.Decoder(Said).decode


class Known(NamedTuple):
    """One instance. row: what is known without asking; metrics: likewise; what: how it is asked, or why it is not."""

    row: Mapping[str, Any]
    metrics: Mapping[str, Any]
    what: Question | Answer


def question(connection: int, endpoint: int, counter: int) -> Question:
    """Return how an instance is asked. counter: the index by which the wire counts what is no client's."""
    outgoing = Outgoing(method=Method.GET, target=b"/status.json", deadline_ms=LEG_MS)
    return Question(Place(connection, endpoint, counter, may_stream=True), outgoing)


class Fleet:
    """Makes the page."""

    def __init__(
        self,
        asker: Asker,
        *,
        instances: Callable[[str], Sequence[Known]],
        gateway: Callable[[], Mapping[str, Any]],
        flush: Callable[[], None],
    ) -> None:
        """instances: of a service, or of all of them for an empty name; gateway: what is told of itself.

        flush: sends what was written outside of a batch.
        """
        self._asker = asker
        self._instances = instances
        self._gateway = gateway
        self._flush = flush
        self._lock = trio.Lock()
        self._kept: dict[str, tuple[float, bytes]] = {}

    async def page(self, service: str = "") -> bytes:
        """Return the document: of one service, or of all of them."""
        async with self._lock:
            now = trio.current_time()
            self._kept = {name: kept for name, kept in self._kept.items() if kept[0] > now}
            kept = self._kept.get(service)
            if kept is None:
                kept = self._kept[service] = await self._made(service)
            return kept[1]

    async def _made(self, service: str) -> tuple[float, bytes]:
        known = self._instances(service)
        results = await self._ask(known)
        page = msgspec.json.encode(document(known, results, self._gateway(), time.time())) + b"\n"
        return trio.current_time() + KEPT_S, page

    async def _ask(self, known: Sequence[Known]) -> list[LegResult]:
        """Ask all of them; whoever is still asked when this is cancelled is told to stop."""
        if not known:
            return []
        results: list[LegResult] = []
        is_over = trio.Event()

        def done(asking: Asking) -> None:
            results.extend(asking.results())
            is_over.set()

        legs = [Leg(LegName(each.row["service"], each.row["instance"]), each.what) for each in known]
        ends_at = trio.current_time() + ALL_S
        asking = Asking(self._asker, legs, Rule(0, AT_ONCE), bytes_max=BYTES_MAX, ends_at=ends_at, done=done)
        try:
            asking.begin()
            self._flush()
            await is_over.wait()
        finally:
            asking.give_up(CancelReason.CLIENT_GONE)
            self._flush()
        return results


def document(
    known: Sequence[Known], results: Sequence[LegResult], gateway: Mapping[str, Any], at: float
) -> dict[str, Any]:
    """Return the page as plain values. at: seconds since 1970."""
    instances = [_instance(each, result) for each, result in zip(known, results, strict=True)]
    healths = Counter(each["health"] for each in instances)
    return {
        "version": VERSION,
        "complete": all(each["leg"]["ok"] for each in instances),
        "at": round(at, 3),
        "gateway": dict(gateway),
        "summary": {
            "instances": len(instances),
            "ready": sum(each["ready"] is True for each in instances),
            **{health: healths[health] for health in HEALTHS},
        },
        "instances": instances,
    }


def _instance(known: Known, result: LegResult) -> dict[str, Any]:
    said, reason = _said(result)
    leg = {"ok": said is not None, "reason": None if reason is None else reason.code, "ms": round(result.ms, 1)}
    return {
        **known.row,
        "ready": None if said is None else said.ready,
        "reasons": [] if said is None else [text[:REASON_CHARACTERS_MAX] for text in said.reasons[:REASONS_MAX]],
        "metrics": {**known.metrics, **({} if said is None else _own_metrics(said))},
        "leg": leg,
    }


def _own_metrics(said: Said) -> dict[str, Any]:
    return {name: getattr(said, name) for name in _OWN}


def _said(result: LegResult) -> tuple[Said | None, Reason | None]:
    """Return what an instance has said; or why that is nothing."""
    if result.reason is not None:
        return None, result.reason
    if result.status != _OK:
        return None, BAD_RESPONSE
    try:
        return _read(result.body), None
    except msgspec.MsgspecError:
        return None, BAD_RESPONSE
