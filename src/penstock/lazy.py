"""An attribute that is worked out when it is first read, then kept."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

__all__ = ["lazy"]

T = TypeVar("T")
Self = TypeVar("Self")


class lazy(Generic[T]):  # noqa: N801 - used as a decorator, like property
    """Like `functools.cached_property`, without the lock that it takes before Python 3.12 (about 1 µs at a first read).

    The value is put into the instance's `__dict__`, which shadows this descriptor from then on.
    """

    __slots__ = ("_make", "_name")

    def __init__(self, make: Callable[[Any], T]) -> None:
        """Take the method that works the value out."""
        self._make = make
        self._name = make.__name__

    @overload
    def __get__(self, instance: None, owner: type) -> "lazy[T]": ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> "lazy[T] | T":
        """Work the value out and keep it."""
        if instance is None:
            return self
        value = self._make(instance)
        instance.__dict__[self._name] = value
        return value
