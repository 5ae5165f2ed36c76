"""Endpoints: a path template and the handler behind it, checked when they are written down and bound together once.

The gateway names an endpoint by its id, so no endpoint is sought here: `invoke` takes the handler's arguments out of
the path (`params.py`) and calls the handler.
"""

import inspect
from collections.abc import Callable, Container, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from frames.endpoint import EndpointOffer
from penstock.call import Call
from penstock.errors import RegistrationError
from penstock.params import Pick, make_pick

if TYPE_CHECKING:
    from penstock.service import Service
    from penstock.typed import Plan

__all__ = ["Endpoint", "Handler", "make_endpoint"]

Handler = Callable[..., Any]

_PLAIN = (inspect.Parameter.empty, str, "str", Any, "Any", object)  # compared one by one: not all have a hash
"""Annotations that ask for nothing: a part of a path is text."""


class Endpoint(msgspec.Struct, frozen=True, eq=False):
    """What a service offers under a method and a path, and how it is carried out."""

    id: int
    method: str
    path: str
    streams: bool
    """Bodies may come, and answers go, piece by piece."""
    offer: EndpointOffer
    """All that HELLO says of it."""
    handler: Handler
    is_async: bool
    names: tuple[str, ...]
    """The names of the template's parts, in the path's order."""
    pick: Pick
    """The values of those parts, percent-decoded, in the same order. Raises `BadRequest`."""
    invoke: Callable[[Call], Any]
    """Calls the handler with the call and its arguments: the value, or for `async def` the coroutine."""
    plan: "Plan | None" = None
    """What a typed handler takes; None for an untyped one."""
    service: "Service | None" = None
    """Whose endpoint it is."""

    @property
    def deadline_ms(self) -> int | None:
        """Its own limit."""
        return self.offer.deadline_ms

    @property
    def idempotent(self) -> bool:
        """May be carried out again when it is not known whether it was."""
        return self.offer.idempotent

    @property
    def upgrades(self) -> tuple[str, ...]:
        """What the exchange may go on as."""
        return self.offer.upgrades


def make_endpoint(offer: EndpointOffer, handler: Handler, service: "Service | None" = None) -> Endpoint:
    """Return the endpoint, or raise `RegistrationError` that says what is wrong with it and how to put it right.

    offer: as `penstock.options.make_offer` has checked it.
    """
    where = f"{offer.method} {offer.path}"
    pick, names = make_pick(offer.path)
    called = _check_handler(where, handler, offer.streams)
    plan = _make_plan(where, offer.method, handler, names, pick, offer.streams)
    _check_parameters(where, called, handler, names, plan.names if plan else ())
    invoke = plan.bind(handler) if plan else _make_invoke(handler, _order(handler, names), names, pick)
    return Endpoint(
        id=offer.id,
        method=offer.method,
        path=offer.path,
        streams=offer.streams,
        offer=offer,
        handler=handler,
        is_async=offer.streams or _is_async(handler),
        names=names,
        pick=pick,
        invoke=_make_streaming(invoke) if offer.streams else invoke,
        plan=plan,
        service=service,
    )


def _make_streaming(invoke: Callable[[Call], Any]) -> Callable[[Call], Any]:
    from penstock.streaming import run_streaming  # it imports this module

    return partial(run_streaming, invoke)


def _is_async(handler: Handler) -> bool:
    """Whether calling it gives a coroutine; looks through decorators that wrap, and into callable objects."""
    return any(map(inspect.iscoroutinefunction, _forms(handler)))


def _forms(handler: Handler) -> tuple[Any, ...]:
    return handler, inspect.unwrap(handler), getattr(handler, "__call__", None)  # noqa: B004


def _check_form(where: str, called: str, handler: Handler, streams: bool) -> None:
    """Refuse a handler of a form that cannot answer here."""
    if streams and not _is_async(handler) and not any(map(inspect.isasyncgenfunction, _forms(handler))):
        raise RegistrationError(
            f"{where}: {called}() is a plain function, which runs inside of the batch and cannot wait; "
            f"write async def {called}(...) to stream"
        )
    if not streams and any(inspect.isgeneratorfunction(f) or inspect.isasyncgenfunction(f) for f in _forms(handler)):
        raise RegistrationError(
            f"{where}: {called}() yields; a handler returns its whole answer, unless its endpoint has streams=True"
        )


def _check_handler(where: str, handler: Handler, streams: bool) -> str:
    """Check what a handler is; return what it is called."""
    if not callable(handler):
        raise RegistrationError(f"{where}: the handler is {handler!r}, which cannot be called")
    called: str = getattr(handler, "__name__", type(handler).__name__)
    _check_form(where, called, handler, streams)
    return called


def _make_plan(
    where: str, method: str, handler: Handler, names: tuple[str, ...], pick: Pick, streams: bool
) -> "Plan | None":
    """Return how a typed handler's parameters are found; None for an untyped one."""
    parameters = list(inspect.signature(handler).parameters.values())
    if not any(_may_be_typed(each, names) for each in parameters[1:]):
        return None
    from penstock.typed import make_plan

    return make_plan(where, method, handler, names, pick, streams=streams)


def _may_be_typed(parameter: inspect.Parameter, names: tuple[str, ...]) -> bool:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.annotation is parameter.empty:
        return False
    return parameter.name not in names or parameter.annotation not in _PLAIN


def _check_parameters(where: str, called: str, handler: Handler, names: tuple[str, ...], taken: Container[str]) -> None:
    """Check that the handler takes the path's parts, and wants nothing that is not there. taken: from elsewhere."""
    parameters = list(inspect.signature(handler).parameters.values())
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    positional = _positional(parameters)
    if not positional and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise RegistrationError(f"{where}: {called}() takes no call; write def {called}({', '.join(('call', *names))})")
    rest = {p.name: p for p in parameters if p is not (positional or parameters)[0]}
    for name in names:
        if name not in rest and not takes_any:
            raise RegistrationError(
                f"{where}: the path names {{{name}}}, but {called}() has no parameter {name!r}; "
                f"write def {called}({', '.join(('call', *names))})"
            )
    for name, parameter in rest.items():
        optional = parameter.default is not parameter.empty or parameter.kind in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if name not in names and name not in taken and not optional:
            raise RegistrationError(
                f"{where}: {called}() wants {name!r}, which the path does not name; put {{{name}}} into the path, "
                f"or give the parameter a default"
            )


def _positional(parameters: Iterable[inspect.Parameter]) -> list[inspect.Parameter]:
    return [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]


def _order(handler: Handler, names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the path's names in the order of the handler's parameters, None to pass them by name."""
    positional = _positional(inspect.signature(handler).parameters.values())
    order = tuple(p.name for p in positional[1 : len(names) + 1])
    return order if sorted(order) == sorted(names) else None


def _make_invoke(
    handler: Handler, order: tuple[str, ...] | None, names: tuple[str, ...], pick: Pick
) -> Callable[[Call], Any]:
    """Return the shortest function that calls the handler with what it wants."""
    if not names:
        return handler
    if order is None:
        return lambda call: handler(call, **dict(zip(names, pick(call), strict=True)))
    if order == names:
        return lambda call: handler(call, *pick(call))
    positions = [names.index(name) for name in order]

    def invoke_in_order(call: Call) -> Any:
        values = pick(call)
        return handler(call, *[values[position] for position in positions])

    return invoke_in_order
