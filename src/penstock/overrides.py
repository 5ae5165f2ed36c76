"""The file beside a service that changes what its code says of its endpoints, without changing the code.

    endpoints:
      GET /invoices/{id}:
        deadline: 500ms
        access: authenticated
        claims: {scope: [invoices:read]}
        rate_limits: [100/s by tenant]
      POST /invoices:
        body_bytes: 64KiB

What stands there takes the place of what the code says, be it stricter or not: code and file have the same owner. What
does not stand there stays. `none` lifts a deadline or a longest body, `{}` all claims. How a handler reads and answers
is its code's business: whether it streams cannot be changed here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import msgspec

from frames.endpoint import EndpointOffer
from penstock.errors import RegistrationError
from penstock.options import check_offer
from penstock.settings.claims import WantedClaim
from penstock.settings.errors import Problem, SettingsError, did_you_mean
from penstock.settings.file import read_settings_file
from penstock.settings.load import load
from penstock.settings.rate import RATE_LIMIT, RateLimit
from penstock.settings.registry import Registry, Setting
from penstock.settings.tables import NOWHERE, ListOf, Places, Table, TextMap
from penstock.settings.types import BadValueError, Choice, Duration, Kind, Raw, Size, TextKind

__all__ = ["override"]

LIFTED: Final = -1
"""In place of a limit: there is none any more."""


class Limit(TextKind[int]):
    """A limit of another kind, or `none`."""

    def __init__(self, kind: TextKind[int]) -> None:
        """Take the other kind."""
        self.kind = kind
        self.label = kind.label
        self.suffix = kind.suffix

    @property
    def example(self) -> str:
        """One of the other kind's."""
        return self.kind.example

    def parse_text(self, text: str) -> int:
        """Read the limit, or `none`."""
        return LIFTED if text == "none" else self.kind.parse_text(text)


class OfTheCode(Kind[str]):
    """What a file cannot change."""

    label = "property of the code"
    example = "nothing"

    def parse(self, raw: Raw) -> NoReturn:
        """Raise `BadValueError`."""
        raise BadValueError("how a handler reads and answers is said in its code", "remove it, or change the code")


def _fixed() -> Setting:
    return Setting(OfTheCode(), "", "nothing that a file can change", "the code says it")


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says of one endpoint; None: nothing."""

    deadline_ms: Annotated[int | None, Setting(Limit(Duration("ms")), "", "its own limit", "as in the code")]
    access: Annotated[str | None, Setting(Choice("public", "authenticated"), "", "who may ask", "as in the code")]
    claims: Annotated[
        Mapping[str, frozenset[str]] | None,
        Setting(TextMap(WantedClaim()), "", "what the identity must claim", "as in the code"),
    ]
    body_bytes: Annotated[int | None, Setting(Limit(Size()), "", "the longest body", "as in the code")]
    rate_limits: Annotated[
        tuple[RateLimit, ...] | None,
        Setting(ListOf(RATE_LIMIT, "rate limit"), "", "how often it may be asked", "as in the code"),
    ]
    streams: Annotated[str | None, _fixed()]
    idempotent: Annotated[str | None, _fixed()]
    upgrades: Annotated[str | None, _fixed()]
    where: Places = NOWHERE

    def changes(self) -> dict[str, Any]:
        """Return the members of the offer that change, with their new values."""
        given: dict[str, Any] = {
            name: value
            for name in ("deadline_ms", "access", "body_bytes")
            if (value := getattr(self, name)) is not None
        }
        changes = {name: None if value == LIFTED else value for name, value in given.items()}
        if self.rate_limits is not None:
            changes["rate_limits"] = tuple(map(str, self.rate_limits))
        if self.claims is not None:
            changes["claims"] = {name: tuple(sorted(values)) for name, values in self.claims.items()}
        return changes


class Overrides(msgspec.Struct, frozen=True):
    """The whole file."""

    endpoints: Annotated[
        Mapping[str, Override],
        Setting(
            TextMap(Table(Override, label="endpoint")), "", "endpoints, by method and path", "the code's word holds"
        ),
    ]


def override(offers: tuple[EndpointOffer, ...], path: Path) -> tuple[EndpointOffer, ...]:
    """Return the offers as the file changes them. Raises `SettingsError` with all that is wrong with the file."""
    registry = Registry(Overrides)
    given: Mapping[str, Override] = load(registry, {}, file=read_settings_file(path, registry)).settings.endpoints
    by_name = {f"{offer.method} {offer.path}": offer for offer in offers}
    problems = [_unknown(name, one, by_name) for name, one in given.items() if name not in by_name]
    changed: dict[str, EndpointOffer] = {}
    for name in by_name.keys() & given.keys():
        try:
            changed[name] = _changed(name, by_name[name], given[name])
        except RegistrationError as error:
            problems.append(
                _problem("bad_value", name, given[name], str(error).removeprefix(f"{name}: "), "correct it")
            )
    if problems:
        raise SettingsError(problems)
    return tuple(changed.get(name, offer) for name, offer in by_name.items())


def _changed(name: str, offer: EndpointOffer, given: Override) -> EndpointOffer:
    offer = msgspec.structs.replace(offer, **given.changes())
    check_offer(name, offer)
    return offer


def _unknown(name: str, given: Override, known: Mapping[str, EndpointOffer]) -> Problem:
    fix = did_you_mean(name, known, otherwise=f"write one of {', '.join(known) or 'nothing: there are none'}")
    return _problem("unknown_endpoint", name, given, "the service has no such endpoint", fix)


def _problem(code: str, name: str, given: Override, why: str, fix: str) -> Problem:
    return Problem(code, f"endpoints.{name}", given.where.table, why, fix)
