"""The answers that a cache keeps: by target, by who asks, and by the fields that they vary with.

    target    the service, the host, and the path with its query: what a change of the thing makes void
    scope     the version that answers, the tenant, and where it matters who asks
    variant   the request's values of the fields that Vary names (RFC 9111, section 4.1)

Bounded by bytes: the answers that were not given for the longest time go first. Also kept, at the price of their keys,
are targets whose answers may not be kept, so that nobody waits for them.

Pure: no clock, no I/O. ``now`` is in milliseconds of any clock that never goes back.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from proxy.answers.freshness import Life
from proxy.answers.payload import Response, Template, without

Ask = Callable[[bytes], bytes | None]
"""Returns the values of a request's field, joined, or None."""
Variant = tuple[bytes | None, ...]

ENTRY_BYTES: Final = 1_280
"""What an entry takes beside its text: measured with tracemalloc, rounded up."""
VARIANTS_MAX: Final = 64
"""Of one target and scope: who varies by more is not helped by a cache."""
PASS_MS: Final = 10_000
"""How long it is remembered that answers may not be kept."""
RETRY_MS: Final = 1_000
"""Between two attempts to fetch an answer anew."""
_IN_304: Final = frozenset((b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary"))
"""What 304 says of the answer (RFC 9110, section 15.4.5)."""
_AGE: Final = b"age"


class Entry:
    """An answer that is kept, or, without a template, the remark that none may be."""

    __slots__ = (
        *("_aged", "_aged_s", "born_ms", "byte_count", "etag", "fresh_until", "is_refreshed_at"),
        *("not_modified", "scope", "stale_until", "target", "template", "variant"),
    )

    def __init__(self, target: bytes, scope: bytes, variant: Variant) -> None:
        self.target = target
        self.scope = scope
        self.variant = variant
        self.template: Template | None = None
        self.not_modified: Template | None = None
        self.etag: bytes | None = None
        self.born_ms = 0  # now, less the age that it has
        self.fresh_until = 0
        self.stale_until = 0
        self.is_refreshed_at = 0
        """While it is fetched anew, and for a while after that has failed: when that may be tried again."""
        self.byte_count = ENTRY_BYTES + len(target) + len(scope) + sum(len(value or b"") for value in variant)
        self._aged = b""
        self._aged_s = -1

    def fill(self, response: Response, life: Life, now: int) -> None:
        """Take an answer in."""
        fields = without(response.fields, _AGE)
        self.template = Template(response.status, fields, response.body)
        self.byte_count += 2 * self.template.byte_count  # its parts, and the whole as it was given last
        self.etag = response.value(b"etag")
        if self.etag is not None and response.status == 200:
            self.not_modified = Template(304, [field for field in fields if field[1] in _IN_304], b"")
            self.byte_count += self.not_modified.byte_count
        self.born_ms = now - life.age_ms
        self.fresh_until = now + life.fresh_ms
        self.stale_until = self.fresh_until + life.stale_ms

    def age_s(self, now: int) -> int:
        """Return its age in whole seconds (RFC 9111, section 4.2.3)."""
        return max(0, now - self.born_ms) // 1_000

    def payload(self, now: int) -> bytes:
        """Return it as it is given now. It is made once for each second."""
        age_s = max(0, now - self.born_ms) // 1_000
        if age_s != self._aged_s:
            assert self.template is not None  # noqa: S101 - remarks are given to nobody
            self._aged, self._aged_s = self.template.filled((_AGE, b"%d" % age_s)), age_s
        return self._aged

    def unchanged(self, now: int) -> bytes:
        """Return what says that it has not changed."""
        assert self.not_modified is not None  # noqa: S101 - whoever asks has looked
        return self.not_modified.filled((_AGE, b"%d" % self.age_s(now)))

    def __repr__(self) -> str:
        """What it is for, and how much."""
        return f"<Entry {self.target!r} {self.variant!r} {self.byte_count} bytes>"


class _Place:
    """The variants of one target and scope. vary: as the last answer said."""

    __slots__ = ("variants", "vary")

    def __init__(self) -> None:
        self.vary: tuple[bytes, ...] = ()
        self.variants: dict[Variant, Entry] = {}


class Kept:
    """All entries. ``byte_count`` never exceeds ``bytes_max``."""

    def __init__(self, bytes_max: int, entry_bytes_max: int) -> None:
        """entry_bytes_max: of one answer; what is larger is not kept."""
        self.bytes_max = bytes_max
        self.entry_bytes_max = entry_bytes_max
        self.byte_count = 0
        self.evicted = 0
        """Answers that had to go before their time."""
        self._places: dict[bytes, dict[bytes, _Place]] = {}
        self._order: OrderedDict[Entry, None] = OrderedDict()

    def __len__(self) -> int:
        """How many entries there are, remarks included."""
        return len(self._order)

    def find(self, target: bytes, scope: bytes, ask: Ask) -> Entry | None:
        """Return what is kept for a request, old or not. It counts as used."""
        scopes = self._places.get(target)
        place = None if scopes is None else scopes.get(scope)
        if place is None:
            return None
        entry = place.variants.get(tuple(map(ask, place.vary)) if place.vary else ())
        if entry is not None:
            self._order.move_to_end(entry)
        return entry

    def variant_of(self, target: bytes, scope: bytes, ask: Ask) -> Variant:
        """Return a request's values of what its target is known to vary with."""
        scopes = self._places.get(target)
        place = None if scopes is None else scopes.get(scope)
        return () if place is None else tuple(map(ask, place.vary))

    def put(self, target: bytes, scope: bytes, ask: Ask, response: Response, life: Life, now: int) -> Entry | None:
        """Keep an answer in place of what there was. None: it is too large."""
        variant = tuple(map(ask, life.vary))
        entry = Entry(target, scope, variant)
        entry.fill(response, life, now)
        if entry.byte_count > min(self.entry_bytes_max, self.bytes_max):
            return None
        self._enter(entry, life.vary, now)
        return entry

    def put_pass(self, target: bytes, scope: bytes, now: int) -> None:
        """Remember that answers may not be kept, whatever they vary with. What there was is void."""
        entry = Entry(target, scope, ())
        entry.fresh_until = entry.stale_until = now + PASS_MS
        if entry.byte_count <= self.bytes_max:
            self._enter(entry, (), now)

    def forget(self, target: bytes) -> int:
        """Make void what is kept for a target (RFC 9111, section 4.4). Returns how many answers those were."""
        scopes = self._places.get(target, {})
        entries = [entry for place in scopes.values() for entry in place.variants.values()]
        for entry in entries:
            self._remove(entry)
        return len(entries)

    def shrink(self, bytes_max: int, entry_bytes_max: int) -> None:
        """Go on with other bounds."""
        self.bytes_max, self.entry_bytes_max = bytes_max, entry_bytes_max
        self._make_room(0, 0)

    def clear(self) -> None:
        """Forget everything."""
        self._places.clear()
        self._order.clear()
        self.byte_count = 0

    def _enter(self, entry: Entry, vary: tuple[bytes, ...], now: int) -> None:
        place = self._place(entry)
        if place.vary != vary:
            for other in list(place.variants.values()):
                self._remove(other)
            place = self._place(entry)
            place.vary = vary
        before = place.variants.get(entry.variant)
        if before is not None:
            self._remove(before)
        elif len(place.variants) >= VARIANTS_MAX:
            self._evict(next(iter(place.variants.values())), now)
        self._make_room(entry.byte_count, now)
        place = self._place(entry)  # which may have become empty meanwhile
        place.vary = vary
        place.variants[entry.variant] = entry
        self._order[entry] = None
        self.byte_count += entry.byte_count

    def _place(self, entry: Entry) -> _Place:
        return self._places.setdefault(entry.target, {}).setdefault(entry.scope, _Place())

    def _make_room(self, byte_count: int, now: int) -> None:
        while self._order and self.byte_count + byte_count > self.bytes_max:
            self._evict(next(iter(self._order)), now)

    def _evict(self, entry: Entry, now: int) -> None:
        self.evicted += entry.template is not None and entry.stale_until > now
        self._remove(entry)

    def _remove(self, entry: Entry) -> None:
        del self._order[entry]
        self.byte_count -= entry.byte_count
        scopes = self._places[entry.target]
        variants = scopes[entry.scope].variants
        del variants[entry.variant]
        if not variants:
            del scopes[entry.scope]
            if not scopes:
                del self._places[entry.target]
