"""A kind that is imported when there is a value for it: what most programs never set costs them nothing."""

from functools import cached_property
from importlib import import_module
from typing import Any, TypeVar

from .types import Kind, Place, Raw

T = TypeVar("T")


class Later(Kind[T]):
    """The kind of that name in a module. empty: the value of the empty text, for which nothing is imported."""

    def __init__(self, module: str, name: str, empty: T, label: str) -> None:
        self.label = label
        self._module = module
        self._name = name
        self._empty = empty

    @cached_property
    def actual(self) -> Kind[Any]:
        """The kind itself."""
        kind: Kind[Any] = getattr(import_module(self._module), self._name)
        return kind

    @property
    def example(self) -> str:
        """As of the kind."""
        return self.actual.example

    @property
    def has_secrets(self) -> bool:
        """As of the kind."""
        return self.actual.has_secrets

    def parse(self, raw: Raw) -> T:
        """Return the value, or raise `BadValueError`."""
        value: T = self._empty if raw == "" else self.actual.parse(raw)
        return value

    def render(self, value: T) -> str:
        """Return the text, which is empty for the empty value."""
        return "" if value == self._empty else self.actual.render(value)

    def plain(self, value: T) -> Raw:
        """Return what a file would say."""
        return self.actual.plain(value)

    def located(self, value: T, place: Place) -> T:
        """Return the value with the places of its parts."""
        located: T = self.actual.located(value, place)
        return located
