"""What the numbers in a record stand for: routes, instances, reasons, outcomes."""

from collections.abc import Callable
from typing import Final, NamedTuple

from frames.frame import Method
from frames.records import AttemptOutcome
from proxy.errors import REASONS

RouteKey = tuple[Method, str, str]
"""As `proxy.targets.instance` has it: the method, the path with its parameters unnamed, and the service."""

_REASON_CODES: Final = ("", *(reason.code for reason in REASONS.values()))
_METHODS: Final = {method.value: method.name for method in Method}
_OUTCOMES: Final = {outcome.value: outcome.name.lower() for outcome in AttemptOutcome}
_STATUS_MIN: Final = 100


class RouteName(NamedTuple):
    """A route: whose it is, and which. Empty where a request had none."""

    service: str = ""
    method: str = ""
    template: str = ""


class InstanceName(NamedTuple):
    """An instance, or whoever was at the other end. Empty where that is forgotten."""

    service: str = ""
    instance: str = ""
    version: str = ""


NO_ROUTE: Final = RouteName()
UNKNOWN: Final = InstanceName()


class Names:
    """Looks up what is there now, and what was there not long ago."""

    def __init__(
        self,
        key_of: Callable[[int], RouteKey | None],
        template_of: Callable[[RouteKey], str | None],
        instance_of: Callable[[int], InstanceName | None],
        worker: str = "",
    ) -> None:
        """key_of: the route that has an index, or had it last; template_of: as its service wrote it, None for a route
        that is gone; instance_of: who is, or was, on a connection; worker: which of several processes this is.
        """
        self.worker = worker
        self._key_of = key_of
        self._template_of = template_of
        self._instance_of = instance_of

    def route(self, index: int) -> RouteName:
        """Return the route with an index; of one that is gone, the parameters in its path have no names."""
        key = self._key_of(index) if index >= 0 else None
        if key is None:
            return NO_ROUTE
        method, shape, service = key
        return RouteName(service, method.name, self._template_of(key) or shape)

    def instance(self, connection: int) -> InstanceName:
        """Return who is on a connection, or was."""
        return self._instance_of(connection) or UNKNOWN


def method_name(method: int) -> str:
    """Return a method's name; `_OTHER`, as OpenTelemetry has it, for none that frames know."""
    return _METHODS.get(method, "_OTHER")


def reason_code(number: int) -> str:
    """Return the code of the reason that a record names; empty for none."""
    return _REASON_CODES[number] if 0 <= number < len(_REASON_CODES) else f"reason_{number}"


def outcome_name(outcome: int) -> str:
    """Return how an attempt ended: its status, or a word; `open` where it had not."""
    if outcome >= _STATUS_MIN:
        return str(outcome)
    return _OUTCOMES.get(outcome, "open")
