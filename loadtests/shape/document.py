"""What a shape's file says. What is wrong with it is said in one line: what, where, the fix."""

import re
from pathlib import Path
from typing import Final, Literal

import msgspec

from loadtests.record import PhaseKind
from loadtests.yaml_file import parse_yaml

USERS_FOLDER: Final = Path(__file__).resolve().parents[1] / "users"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
STEPS_MAX: Final = 100
_LASTS: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class ShapeError(Exception):
    """A shape cannot be used. Its text is one line."""


class PhaseWords(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One phase, as it is written."""

    name: str
    kind: PhaseKind = "load"
    lasts: str | float
    """"15s": so long, whatever the run lasts; 2: its share of what is left of the run."""
    users: float | None = None
    """Of a closed loop: how many there are, at its end."""
    rate: float | None = None
    """Of an open loop: requests in a second, at its end."""
    begin: float | None = msgspec.field(name="from", default=None)
    """How many at its beginning, from where it goes evenly to what there is at its end; left out: the same."""
    steps: int = 1
    """In so many steps, each a phase of its own, instead of evenly."""
    kinds: list[str] = []
    """Of a closed loop: which of the kinds of users there are in it; left out: all."""

    @property
    def level(self) -> float:
        """How many users, or requests in a second, at its end."""
        return self.users or self.rate or 0.0

    @property
    def fixed_s(self) -> float | None:
        """How long it lasts whatever the run does; None where it has a share."""
        if isinstance(self.lasts, str) and (found := _LASTS.fullmatch(self.lasts)):
            return float(found[1]) * _UNIT_S[found[2]]
        return None


class RequestWords(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One kind of request of an open loop."""

    request: str
    """Method and target: GET /items/7."""
    name: str = ""
    """What it is called in the report; left out: as `request`."""
    body: str = ""
    tenant: str = ""
    weight: float = 1.0
    expect: tuple[int, ...] = (200, 201, 204)
    """Statuses that are no error."""

    @property
    def shown(self) -> str:
        """What it is called."""
        return self.name or self.request


class ShapeWords(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A whole file."""

    name: str
    about: str
    """What it is for, in a sentence."""
    loop: Literal["open", "closed"]
    phases: list[PhaseWords]
    users: dict[str, float] = {}
    """Of a closed loop: kinds of users (files of loadtests/users) by weight."""
    think_ms: float = 0.0
    """Of a closed loop: for how long a user thinks between tasks, in the mean; by chance, as people do."""
    requests: list[RequestWords] = []
    """Of an open loop: what is sent, by weight."""
    connections: int = 64
    """Of an open loop: how many are open at once."""
    timeout_ms: int = 10_000
    """Of an open loop: how long a request may take, its wait for a connection included."""
    arrivals: Literal["even", "poisson"] = "poisson"


def parse(text: str, source: str) -> ShapeWords:
    """Return what a file says. source: what it is called. Raises `ShapeError`."""
    said = parse_yaml(text, source, ShapeError)
    try:
        words = msgspec.convert(said, ShapeWords)
    except msgspec.ValidationError as error:
        raise ShapeError(f"{source}: {error}; compare it with shapes/baseline.yaml") from None
    _check(words, source)
    return words


def known_users() -> list[str]:
    """Return the kinds of users that there are: a file each."""
    return sorted(path.stem for path in USERS_FOLDER.glob("*.py") if path.stem != "__init__")


def check_users(users: dict[str, float], source: str) -> None:
    """Raise `ShapeError` where a kind is not known, or has no weight."""
    known = known_users()
    for name, weight in users.items():
        if name not in known:
            raise ShapeError(f"{source}: there are no users {name!r}; write one of {', '.join(known)}")
        if not 0 < weight <= 1_000_000:
            raise ShapeError(f"{source}: the weight of {name} is {weight:g}; write a number above 0")


def _check(words: ShapeWords, source: str) -> None:
    if words.loop == "closed":
        if not words.users or words.requests:
            raise ShapeError(f"{source}: a closed loop has users, and no requests; write users: {{http_edge: 1}}")
        check_users(words.users, source)
    elif not words.requests or words.users or words.think_ms:
        raise ShapeError(
            f"{source}: an open loop has requests, no users, no think_ms; write requests: [{{request: GET /items/7}}]"
        )
    if not 0 <= words.think_ms <= 3_600_000:
        raise ShapeError(f"{source}: think_ms is {words.think_ms:g}; write 0 to 3600000")
    if not 1 <= words.connections <= 20_000:
        raise ShapeError(f"{source}: connections is {words.connections}; write 1 to 20000")
    if not 1 <= words.timeout_ms <= 3_600_000:
        raise ShapeError(f"{source}: timeout_ms is {words.timeout_ms}; write 1 to 3600000")
    for index, request in enumerate(words.requests):
        _check_request(request, f"{source}: requests[{index}]")
    for index, phase in enumerate(words.phases):
        _check_phase(phase, words.loop, words.users, f"{source}: phases[{index}] ({phase.name})")
    if not any(phase.kind == "load" for phase in words.phases):
        raise ShapeError(f"{source}: no phase is judged; write one with kind: load")
    names = [phase.name for phase in words.phases]
    for name in names:
        if names.count(name) > 1:
            raise ShapeError(f"{source}: two phases are called {name!r}; give each a name of its own")


def _check_request(request: RequestWords, where: str) -> None:
    method, _, target = request.request.partition(" ")
    if method not in METHODS or not target.startswith("/") or " " in target or not target.isascii():
        raise ShapeError(f"{where}: {request.request!r} is no method and target; write it as GET /items/7")
    if not request.tenant.isascii() or not request.tenant.isprintable():
        raise ShapeError(f"{where}: {request.tenant!r} is no tenant; write letters and digits")
    if not 0 < request.weight <= 1_000_000:
        raise ShapeError(f"{where}: its weight is {request.weight:g}; write a number above 0")


def _check_phase(phase: PhaseWords, loop: str, users: dict[str, float], where: str) -> None:
    what, other = ("users", phase.rate) if loop == "closed" else ("rate", phase.users)
    given = phase.users if loop == "closed" else phase.rate
    if phase.kind == "quiet":
        if phase.users is not None or phase.rate is not None or phase.begin is not None or phase.steps != 1:
            raise ShapeError(f"{where}: nothing is sent in a quiet phase; take its users, rate, from and steps away")
    elif given is None or other is not None:
        raise ShapeError(f"{where}: the loop is {loop}, so its phases have {what}; write {what}: 20")
    elif not 0 < given <= 1_000_000 or not 0 <= (phase.begin or 0) <= 1_000_000:
        raise ShapeError(f"{where}: {what} and from are numbers above 0, of at most 1000000")
    if unknown := [kind for kind in phase.kinds if kind not in users]:
        raise ShapeError(f"{where}: {unknown[0]!r} is none of the shape's users; add it to users, or take it away")
    if not 1 <= phase.steps <= STEPS_MAX:
        raise ShapeError(f"{where}: steps is {phase.steps}; write 1 to {STEPS_MAX}")
    if isinstance(phase.lasts, str):
        if not phase.fixed_s:
            raise ShapeError(f"{where}: lasts is {phase.lasts!r}; write a time as 15s, or a share of the run as 2")
    elif not 0 < phase.lasts <= 1_000_000:
        raise ShapeError(f"{where}: lasts is {phase.lasts:g}; write a share above 0, or a time as 15s")
