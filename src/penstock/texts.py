"""Values that stand in a request as text: parts of its path, and fields of its query.

msgspec converts them, in its lax mode: `42` is an int, `true` and `1` are a bool. It is told off where it is too lax:
`5.0` is no int here, and `nan` no float: one thing should have one spelling, and JSON has no `nan` to answer with.
"""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from penstock.call import Call
from penstock.errors import FieldProblem, InvalidInput
from penstock.fields import Query
from penstock.invalid import field_problem

__all__ = ["is_list", "is_text", "query_field_reader", "query_reader", "text_reader"]


def is_text(type_: Any) -> bool:
    """Whether a text can be converted to the type: numbers, bool, str, times, UUID, Enum, Literal, unions of them."""
    return _is_text(_info(type_))


def is_list(type_: Any) -> bool:
    """Whether it is a list, set or tuple of such types, or None."""
    return _is_list(_info(type_))


def text_reader(type_: Any, where: str) -> Callable[[str], Any]:
    """Return what converts a text to the type, or raises `InvalidInput`. where: `path.id`."""
    convert = msgspec.convert
    check = _check_float if _holds_float(type_) else _check

    def read(text: str) -> Any:
        try:
            value = convert(text, type_, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidInput([field_problem(str(error), where)]) from None
        check(value, text, where)
        return value

    return read


def query_field_reader(name: str, type_: Any, default: Any) -> Callable[[Call], Any]:
    """Return what takes one field of a call's query; the default when it is not there."""
    where = f"query.{name}"
    if is_list(type_) and not is_text(type_):
        convert = msgspec.convert

        def read_all(call: Call) -> Any:
            values = call.query.all(name)
            if not values:
                return default
            try:
                found = convert(values, type_, strict=False)
            except msgspec.ValidationError as error:
                raise InvalidInput([field_problem(str(error), where)]) from None
            if len(found) == len(values):  # a set may have fewer, in another order
                for index, (value, text) in enumerate(zip(found, values, strict=True)):
                    _check_float(value, text, f"{where}[{index}]")
            return found

        return read_all

    read = text_reader(type_, where)

    def read_one(call: Call) -> Any:
        values = call.query.all(name)
        return read(_only(values, where)) if values else default

    return read_one


def query_reader(type_: Any) -> Callable[[Call], Any]:
    """Return what takes the whole query as a struct. Raises TypeError for a type that a query cannot be."""
    info = _info(type_)
    if not isinstance(info, msgspec.inspect.StructType) or info.array_like:
        raise TypeError("the whole query is a msgspec.Struct; for what has no fixed fields, read call.query")
    for field in info.fields:
        if not (_is_text(field.type) or _is_list(field.type)):
            raise TypeError(f"its field {field.encode_name} can be no part of a query, which is text")
    lists = {field.encode_name for field in info.fields if _is_list(field.type)}
    numbers = [(each.name, each.encode_name) for each in info.fields if each.encode_name not in lists]

    def read(call: Call) -> Any:
        given = _gather(call.query, lists)
        try:
            value = msgspec.convert(given, type_, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidInput([field_problem(str(error), "query")]) from None
        for name, encoded in numbers:
            if encoded in given:
                _check_float(getattr(value, name), given[encoded], f"query.{encoded}")
        return value

    return read


def _gather(query: Query, lists: set[str]) -> dict[str, Any]:
    return {name: query.all(name) if name in lists else _only(query.all(name), f"query.{name}") for name in query}


def _only(values: Sequence[str], where: str) -> str:
    if len(values) > 1:
        raise InvalidInput([FieldProblem(where, f"expected one value, got {len(values)}")])
    return values[0]


def _check(value: Any, text: str, where: str) -> None:
    """Refuse what is an int in another spelling, and then as `_check_float`."""
    if type(value) is int and not text.removeprefix("-").isdigit():
        raise InvalidInput([FieldProblem(where, "expected int, in digits")])
    _check_float(value, text, where)


def _check_float(value: Any, _text: str, where: str) -> None:
    """Refuse what is no finite number."""
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise InvalidInput([FieldProblem(where, "expected a finite number")])


def _info(type_: Any) -> Any:
    try:
        return msgspec.inspect.type_info(type_)
    except (TypeError, RuntimeError):  # no type at all
        return None


def _is_text(info: Any) -> bool:
    kinds = msgspec.inspect
    if isinstance(info, kinds.Metadata):
        return _is_text(info.type)
    if isinstance(info, kinds.UnionType):
        return all(_is_text(each) or isinstance(each, kinds.NoneType) for each in info.types)
    return isinstance(
        info,
        kinds.IntType
        | kinds.FloatType
        | kinds.BoolType
        | kinds.StrType
        | kinds.DateTimeType
        | kinds.DateType
        | kinds.TimeType
        | kinds.TimeDeltaType
        | kinds.UUIDType
        | kinds.DecimalType
        | kinds.EnumType
        | kinds.LiteralType,
    )


def _is_list(info: Any) -> bool:
    kinds = msgspec.inspect
    if isinstance(info, kinds.Metadata):
        return _is_list(info.type)
    if isinstance(info, kinds.UnionType):
        rest = [each for each in info.types if not isinstance(each, kinds.NoneType)]
        return len(rest) == 1 and _is_list(rest[0])
    is_collection = isinstance(info, kinds.ListType | kinds.SetType | kinds.FrozenSetType | kinds.VarTupleType)
    return is_collection and _is_text(info.item_type)


def _holds_float(type_: Any) -> bool:
    info = _info(type_)
    return any(isinstance(each, msgspec.inspect.FloatType) for each in getattr(info, "types", (info,)))
