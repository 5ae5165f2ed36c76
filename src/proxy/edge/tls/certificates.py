"""All certificates of the edge: loaded and checked, chosen by the name that the client means, replaced without a pause.

What serves is one immutable value: a context for each pair, and the table of names. A change of files makes a new one,
which is swapped whole; whoever is in the midst of a handshake goes on with the old. A pair that is not good keeps the
one before it. So no handshake fails because files were replaced, however they are replaced.
"""

import logging
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import trio

from penstock.settings.files import CertificateFiles

from .contexts import server_context
from .names import NameTable, is_allowed, names_of_client
from .pair import Pair, read_file, read_pair
from .problems import CertificateError, problem
from .watched import Watched

_log = logging.getLogger("penstock.tls")

DAY_S = 86_400
WARN_BEFORE_S = 14 * DAY_S


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What TLS at the edge is to be."""

    certificates: tuple[CertificateFiles, ...]  # at least one; the first is for clients that name none of the others
    minimum_version: str = "1.2"  # or 1.3
    client_authorities: Path | None = None  # PEM; given, clients must show a certificate of theirs
    client_names: tuple[str, ...] = ()  # of which the client's certificate must have one; none: all are allowed
    reload_interval_s: float = 10.0


class Served(msgspec.Struct, frozen=True, eq=False):
    """What serves from one swap to the next."""

    front: ssl.SSLContext  # begins each handshake
    pairs: tuple[Pair, ...]


class ServerCertificates:
    """The certificates that are served now.

    Tasks: `run` looks for changed files until cancelled. `reload` may be called by any task at any time.
    Threads: files are read in a worker thread; what serves is swapped in Trio's.
    """

    def __init__(self, settings: TlsSettings, wall_clock: Callable[[], float] = time.time) -> None:
        """Load everything. wall_clock: Unix seconds.

        Raises:
            CertificateError: all that is wrong with the files.
        """
        self._settings = settings
        self._wall_clock = wall_clock
        self._allowed = frozenset(settings.client_names)
        self._lock = trio.Lock()
        problems: list[CertificateError] = []
        self._authorities = _watch_authorities(settings.client_authorities, problems)
        self._pairs = _watch_pairs(settings.certificates, problems)
        if problems:
            raise CertificateError([one for error in problems for one in error.problems])
        self.reloads = 0
        self.bad_reloads = 0
        self._serve(self._make())

    # ---- serving ----

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """Return the server's side of a new connection."""
        return self._served.front.wrap_bio(incoming, outgoing, server_side=True)

    def refused_client(self, secured: ssl.SSLObject) -> tuple[str, ...] | None:
        """Return the names of a client that is not allowed, after its handshake; None when it may go on."""
        if not self._allowed:
            return None
        names = names_of_client(secured.getpeercert() or {})
        return None if is_allowed(names, self._allowed) else names

    def seconds_left(self) -> float:
        """Return how long until the first of the served certificates has run out; negative when one has."""
        return min(pair.ends_at for pair in self._served.pairs) - self._wall_clock()

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs that are served, in the order of the settings."""
        return self._served.pairs

    # ---- changing ----

    async def run(self) -> None:
        """Look for changed files until cancelled."""
        while True:
            await trio.sleep(self._settings.reload_interval_s)
            await self._refresh(is_asked=False)

    async def reload(self) -> None:
        """Read all files again now, changed or not."""
        await self._refresh(is_asked=True)

    async def _refresh(self, *, is_asked: bool) -> None:
        async with self._lock:
            served, errors = await trio.to_thread.run_sync(self._look, is_asked)
        for error in errors:
            self.bad_reloads += 1
            _log.error("%s; what was loaded before stays in use", error)
        if served is not None:
            self.reloads += 1
            self._serve(served)

    def _look(self, is_asked: bool) -> tuple[Served | None, list[CertificateError]]:
        """Look at all files. Returns what is to be served from now on, if anything is new, and what is wrong."""
        errors: list[CertificateError] = []
        has_changed = False
        for refresh in (self._authorities.refresh, *(watched.refresh for watched in self._pairs)):
            try:
                has_changed |= refresh(is_asked=is_asked)
            except CertificateError as error:
                errors.append(error)
        return (self._make() if has_changed else None), errors

    def _make(self) -> Served:
        pairs = tuple(watched.value for watched in self._pairs)
        contexts = [
            server_context(pair.certificate, pair.key, self._settings.minimum_version, self._authorities.value)
            for pair in pairs
        ]
        if len(contexts) > 1:
            table = NameTable([(pair.names, context) for pair, context in zip(pairs, contexts, strict=True)])
            contexts[0].sni_callback = _choose_by(table)
        return Served(contexts[0], pairs)

    def _serve(self, served: Served) -> None:
        self._served = served
        for pair in served.pairs:
            self._tell(pair)

    def _tell(self, pair: Pair) -> None:
        now = self._wall_clock()
        names, days = ", ".join(pair.names) or "no name", (pair.ends_at - now) / DAY_S
        _log.info("serving the certificate %s for %s; it ends in %d days", pair.fingerprint[:16], names, days)
        if now >= pair.ends_at:
            _log.warning("the certificate for %s has run out: clients will refuse it; replace its files", names)
        elif now < pair.begins_at:
            _log.warning("the certificate for %s is not valid yet: clients will refuse it; check the clock", names)
        elif pair.ends_at - now < WARN_BEFORE_S:
            _log.warning("the certificate for %s ends in %d days; replace its files before that", names, days)


def _choose_by(table: NameTable[ssl.SSLContext]) -> Callable[[Any, str | None, ssl.SSLContext], None]:
    """Return the callback for the name in the client's hello (RFC 6066, section 3). An unknown one gets the default."""

    def choose(connection: Any, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = table.find(name)

    return choose


def _watch_pairs(files: Sequence[CertificateFiles], problems: list[CertificateError]) -> list[Watched[Pair]]:
    watched = []
    for one in files:
        try:
            watched.append(Watched((one.certificate, one.key), partial(read_pair, one)))
        except CertificateError as error:
            problems.append(error)
    return watched


def _watch_authorities(path: Path | None, problems: list[CertificateError]) -> Watched[str | None]:
    if path is None:
        return Watched((), lambda: None)
    try:
        return Watched((path,), partial(_read_authorities, path))
    except CertificateError as error:
        problems.append(error)
        return Watched((), lambda: None)


def _read_authorities(path: Path) -> str:
    """Return the certificates of authorities as PEM.

    Raises:
        CertificateError: there is none in it, or one is damaged.
    """
    text = read_file("client authorities", path).decode("ascii", "replace")
    reader = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        reader.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        why = f"it holds no certificates, or damaged ones: {getattr(error, 'reason', error)}"
        raise problem("not_pem", "client authorities", path, why, "write them as whole PEM texts") from None
    if not reader.get_ca_certs():
        why = "no certificate in it is that of an authority"
        raise problem("not_an_authority", "client authorities", path, why, "name the file of the issuers of clients")
    return text
