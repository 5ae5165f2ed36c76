"""Typed handlers: what a handler's annotations say is taken from a request, decoded and checked.

    @service.post("/orders/{order_id}/lines")
    async def add(call, order_id: int, body: Line, dry_run: bool = False) -> Order: ...

Decided once, when the endpoint is registered, for each parameter behind the call:

| parameter | is |
| --- | --- |
| named in the path | that part, converted from its text |
| `query`, a struct | the whole query |
| with a default, of a type that a text can be | one field of the query; a list of such types: all fields of that name |
| `body`, or of a struct or a collection, without a default | the body, decoded from JSON, strictly |

A parameter without an annotation, with a name that begins with `_`, or with a default of a type that is no data at all
(`store: Store = STORE`), is the handler's own business. A handler that has no other is untyped, and this file is not
even imported for it.
"""

import inspect
import types
import typing
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

import msgspec

from penstock.call import Call
from penstock.errors import BadRequest, FieldProblem, InvalidInput, Problem, RegistrationError
from penstock.invalid import body_problem
from penstock.params import Pick
from penstock.texts import is_list, is_text, query_field_reader, query_reader, text_reader

__all__ = ["BODILESS_METHODS", "Parameter", "Place", "Plan", "make_plan", "returns_of"]

BODILESS_METHODS = frozenset(("GET", "HEAD"))

_JSON_TYPES = {b"application/json"}
_UNKNOWN: Any = object()


class Place(Enum):
    """Where in a request a parameter is found."""

    PATH = "path"
    QUERY = "query"
    QUERY_FIELD = "query field"
    BODY = "body"


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of a typed handler."""

    name: str
    place: Place
    type: Any
    default: Any
    """`inspect.Parameter.empty` when there is none."""
    take: Callable[[Call], Any]
    """Its value. Raises `InvalidInput`, or another `Problem`."""


class Plan(msgspec.Struct, frozen=True):
    """What a typed handler takes, and what it says that it returns."""

    parameters: tuple[Parameter, ...]
    returns: Any
    """`inspect.Parameter.empty` when it does not say."""

    @property
    def names(self) -> frozenset[str]:
        """The names of the parameters."""
        return frozenset(each.name for each in self.parameters)

    def bind(self, handler: Callable[..., Any]) -> Callable[[Call], Any]:
        """Return what calls the handler with its arguments; what is wrong with them is told together."""
        takers = tuple((each.name, each.take) for each in self.parameters)

        def invoke(call: Call) -> Any:
            try:
                arguments = {name: take(call) for name, take in takers}
            except InvalidInput:
                raise _everything_wrong(call, takers) from None
            return handler(call, **arguments)

        return invoke


def make_plan(
    where: str, method: str, handler: Callable[..., Any], names: tuple[str, ...], pick: Pick, *, streams: bool
) -> Plan | None:
    """Return how a handler's parameters are found in a request, or None when it is untyped.

    Raises `RegistrationError` for what cannot be served. names: of the path's parts; pick: takes them out of it.
    """
    function = _function(handler)
    parameters = [each for each in _parameters(handler, names) if _is_ours(each, handler, names)]
    found = [_Reader(where, method, function, each).read(names, pick) for each in parameters]
    typed = [each for each in found if each is not None]
    if not any(_is_typed(each) for each in typed):
        return None
    _check_together(where, typed, streams)
    return Plan(tuple(typed), returns_of(handler))


def returns_of(handler: Callable[..., Any]) -> Any:
    """Return what a handler says that it returns; `inspect.Parameter.empty` when that is not known."""
    returns = inspect.signature(handler).return_annotation
    return _resolve(_function(handler), returns, or_else=inspect.Parameter.empty)


def _is_typed(parameter: Parameter) -> bool:
    """Whether there is more to it than to pass a part of the path as it is."""
    return parameter.place is not Place.PATH or parameter.type is not str


def _parameters(handler: Callable[..., Any], names: tuple[str, ...]) -> list[inspect.Parameter]:
    """The parameters behind the call; with those parts of the path that the handler collects by `**`."""
    parameters = list(inspect.signature(handler).parameters.values())
    single = [each for each in parameters[1:] if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        rest = [name for name in names if name not in {each.name for each in single}]
        single += [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in rest]
    return single


def _is_ours(parameter: inspect.Parameter, handler: Callable[..., Any], names: tuple[str, ...]) -> bool:
    if parameter.name in names:
        return True
    is_bound = isinstance(handler, partial) and parameter.name in handler.keywords
    return not (is_bound or parameter.name.startswith("_") or parameter.annotation is parameter.empty)


class _Reader:
    """Decides what one parameter is."""

    def __init__(self, where: str, method: str, function: Any, parameter: inspect.Parameter) -> None:
        self._where = f"{where}: {getattr(function, '__name__', 'the handler')}()"
        self._method = method
        self._name = parameter.name
        self._default = parameter.default
        self._is_positional = parameter.kind is parameter.POSITIONAL_ONLY
        annotation = _resolve(function, parameter.annotation, or_else=_UNKNOWN)
        if annotation is _UNKNOWN:
            raise self._error(
                f"has {self._name}: {parameter.annotation}, which names nothing here; import it, not only for type "
                f"checkers, where the handler is defined"
            )
        self._type = annotation

    def read(self, names: tuple[str, ...], pick: Pick) -> Parameter | None:
        """Return the parameter, or None when it is none of the request's."""
        has_default = self._default is not inspect.Parameter.empty
        if self._name in names:
            if self._type in (inspect.Parameter.empty, Any, object):
                self._type = str
            return self._part(names, pick)
        if self._name == "query":
            return self._query()
        if self._name == "body" or not (has_default or is_text(self._type)):
            return self._body()
        if not has_default:
            return None  # which the caller of `make_plan` refuses
        if is_text(self._type) or is_list(self._type):
            return self._make(Place.QUERY_FIELD, query_field_reader(self._name, self._type, self._default))
        if self._type not in (Any, object) and _is_data(self._type):
            raise self._error(
                f"has {self._name} with a default, and a query field cannot be {_named(self._type)}; call it body or "
                f"query, or _{self._name} when it is not from the request"
            )
        return None

    def _part(self, names: tuple[str, ...], pick: Pick) -> Parameter:
        if self._type is not str and not is_text(self._type):
            raise self._error(
                f"wants {self._name!r} as {_named(self._type)}, but a part of a path is text; "
                f"write {self._name}: str, or int, float, bool, UUID, date, datetime or an Enum"
            )
        read = str if self._type is str else text_reader(self._type, f"path.{self._name}")
        if len(names) == 1:
            return self._make(Place.PATH, lambda call: read(pick(call)[0]))
        name = self._name
        return self._make(Place.PATH, lambda call: read(call.params[name]))

    def _query(self) -> Parameter | None:
        if self._default is not inspect.Parameter.empty:
            raise self._error("has a default for query; give its fields defaults instead")
        try:
            return self._make(Place.QUERY, query_reader(self._type))
        except TypeError as error:
            raise self._error(f"has query: {_named(self._type)}; {error}") from error

    def _body(self) -> Parameter:
        if self._method in BODILESS_METHODS:
            raise self._error(
                f"wants {self._name!r}, which the path does not name, and a {self._method} has no body; put "
                f"{{{self._name}}} into the path, or call a struct for the query `query`"
            )
        try:
            msgspec.json.schema(self._type)
        except (TypeError, RuntimeError) as error:
            raise self._error(
                f"wants {self._name!r} as {_named(self._type)}, which cannot be decoded from JSON: {error}"
            ) from error
        return self._make(Place.BODY, _body_taker(self._type, self._default))

    def _make(self, place: Place, take: Callable[[Call], Any]) -> Parameter:
        if self._is_positional:
            raise self._error(f"takes {self._name!r} by position only; remove the `/`")
        return Parameter(self._name, place, self._type, self._default, take)

    def _error(self, what: str) -> RegistrationError:
        return RegistrationError(f"{self._where} {what}")


def _check_together(where: str, parameters: list[Parameter], streams: bool) -> None:
    bodies = [each.name for each in parameters if each.place is Place.BODY]
    if len(bodies) > 1:
        raise RegistrationError(
            f"{where}: a request has one body, and the handler wants {' and '.join(map(repr, bodies))} from it; "
            f"put both into one struct"
        )
    if bodies and streams:
        raise RegistrationError(
            f"{where}: the body streams, and cannot be there as {bodies[0]!r} when the handler starts; "
            f"read it with call.stream(), or remove streams=True"
        )
    places = {each.place for each in parameters}
    if {Place.QUERY, Place.QUERY_FIELD} <= places:
        fields = ", ".join(each.name for each in parameters if each.place is Place.QUERY_FIELD)
        raise RegistrationError(f"{where}: the handler takes the whole query, and {fields} besides; put that into it")


def _body_taker(type_: Any, default: Any) -> Callable[[Call], Any]:
    decode = msgspec.json.Decoder(type_).decode
    has_default = default is not inspect.Parameter.empty

    def take(call: Call) -> Any:
        body = call.body
        if not body and has_default:
            return default
        _check_content_type(call)
        try:
            return decode(body)
        except msgspec.ValidationError as error:
            raise InvalidInput([body_problem(error, body, decode)]) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest("malformed_json", f"the body is no JSON: {error}") from error

    return take


def _check_content_type(call: Call) -> None:
    """Raise 415 unless the body is said to be JSON. A browser sends JSON to another site only after asking there."""
    value = call._named(b"content-type")
    if value in _JSON_TYPES:
        return
    media_type = (value or b"").partition(b";")[0].strip().lower()
    if media_type not in _JSON_TYPES and not (media_type.startswith(b"application/") and media_type.endswith(b"+json")):
        given = f"not {media_type.decode('latin-1')}" if media_type else "and the request does not say what it is"
        raise Problem(415, "unsupported_media_type", f"the body must be application/json, {given}")


def _everything_wrong(call: Call, takers: tuple[tuple[str, Callable[[Call], Any]], ...]) -> Problem:
    """Return all that is wrong with the arguments; what is worse than a wrong field goes first."""
    problems: list[FieldProblem] = []
    for _, take in takers:
        try:
            take(call)
        except InvalidInput as invalid:
            problems += invalid.errors
        except Problem as worse:
            return worse
    return InvalidInput(problems)


def _is_data(type_: Any) -> bool:
    """Whether it is something that JSON could be decoded to."""
    try:
        msgspec.json.schema(type_)
    except (TypeError, RuntimeError):
        return False
    return True


def _named(type_: Any) -> str:
    return inspect.formatannotation(type_)


def _function(handler: Any) -> Any:
    """The function behind a handler, in whose module its annotations are to be understood."""
    while isinstance(handler, partial):
        handler = handler.func
    handler = inspect.unwrap(handler)
    if inspect.isfunction(handler) or inspect.ismethod(handler):
        return getattr(handler, "__func__", handler)
    return inspect.unwrap(type(handler).__call__)


def _resolve(function: Any, annotation: Any, *, or_else: Any) -> Any:
    """Return an annotation with what it names by text put in; `or_else` when that is not there at run time."""
    if annotation in (inspect.Parameter.empty, None):
        return annotation
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, getattr(function, "__globals__", {}), include_extras=True)["it"]
    except (NameError, AttributeError, TypeError, SyntaxError):
        return or_else
