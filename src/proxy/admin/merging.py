"""Figures of several workers become those of all, by the rules of their fields; and they travel as msgpack."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass, replace
from functools import cache, reduce
from typing import Any, Final, TypeVar, cast

import msgspec

from proxy.admin.figure_rules import RULE, TOTAL, Rule
from proxy.admin.figures import Figures

T = TypeVar("T")

_NUMBERS: Final = (int, float, bool)

_encoder: Final = msgspec.msgpack.Encoder()


@cache
def _decoder() -> "msgspec.msgpack.Decoder[Figures]":
    return msgspec.msgpack.Decoder(Figures)


def pack(figures: Figures) -> bytes:
    """Return figures as msgpack."""
    return _encoder.encode(figures)


def unpack(packed: bytes) -> Figures:
    """Return what `pack` made, here or in another version: what that does not know yet is as if nothing had happened.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: these are no figures.
    """
    return _decoder().decode(packed)


def merge_figures(of_workers: Sequence[Figures]) -> Figures:
    """Return the figures of all. Nothing is told twice: instances and routes are put together by their keys.

    Raises:
        ValueError: there is nobody.
    """
    if not of_workers:
        raise ValueError("there are no figures to put together")
    return cast("Figures", _merged(of_workers, TOTAL))


def merge_two(one: T, other: T) -> T:
    """Return figures of the same thing as one."""
    return cast("T", _merged([one, other], TOTAL))


def put_together(same: Iterable[T], rule: Rule) -> list[T]:
    """Return a sequence of figures in which those with the same key are one."""
    by_key: dict[Any, list[T]] = {}
    assert rule.key is not None  # noqa: S101 - of a sequence of figures
    for one in same:
        by_key.setdefault(rule.key(one), []).append(one)
    return [_merged(those, TOTAL) for those in by_key.values()]


def left_behind(figures: T) -> T:
    """Return what stays of the figures of a worker that has ended: its totals. What it had at the moment is nothing."""
    changed = {
        name: _left(getattr(figures, name), field, rule) for name, field, rule in _rules(cast("Any", type(figures)))
    }
    return cast("T", replace(cast("Any", figures), **changed))


def forget_absent(left: Figures, present: Figures) -> Figures:
    """Return what was left behind, without instances and routes that nobody has any more: they will not come back.

    present: of all who are there.
    """
    routes = {route.key for route in present.routes if route.workers}
    instances = {instance.key for instance in present.instances if instance.workers}
    return replace(
        left,
        routes=[route for route in left.routes if route.key in routes],
        instances=[instance for instance in left.instances if instance.key in instances],
    )


def _left(value: Any, field: "Field[Any]", rule: Rule) -> Any:
    if not rule.is_kept:
        return _nothing(value, field)
    if rule.by_name is not None:
        return {name: each for name, each in value.items() if rule.by_name(name).is_kept}
    if rule.key is not None:
        return [left_behind(each) for each in value]
    return left_behind(value) if is_dataclass(value) else value


def _nothing(value: Any, field: "Field[Any]") -> Any:
    return None if field.default is None or value is None else type(value)()


@cache
def _rules(kind: type) -> tuple[tuple[str, "Field[Any]", Rule], ...]:
    return tuple((each.name, each, each.metadata.get(RULE, TOTAL)) for each in fields(kind))


def _merged(values: Sequence[Any], rule: Rule) -> Any:
    values = [value for value in values if value is not None]
    if len(values) < 2:
        return values[0] if values else None
    first = values[0]
    if type(first) in _NUMBERS:  # most of what there is
        return reduce(rule.combine, values)
    if is_dataclass(first):
        kind = cast("Any", type(first))
        return kind(**{name: _merged([getattr(each, name) for each in values], of) for name, _, of in _rules(kind)})
    if isinstance(first, Mapping):
        return _merged_by_name(values, rule)
    if rule.key is not None:
        return put_together((each for value in values for each in value), rule)
    if isinstance(first, str) and rule is TOTAL:
        return first
    if isinstance(first, Sequence) and not isinstance(first, str):
        alike = [value for value in values if len(value) == len(first)]  # another version may have other bounds
        return reduce(lambda one, other: list(map(rule.combine, one, other)), alike)
    return reduce(rule.combine, values)


def _merged_by_name(values: Sequence[Mapping[Any, Any]], rule: Rule) -> dict[Any, Any]:
    names = dict.fromkeys(name for value in values for name in value)
    return {
        name: _merged([value[name] for value in values if name in value], rule.by_name(name) if rule.by_name else rule)
        for name in names
    }
