"""Values that know their line: what the readers of files and of flow text make."""

import msgspec

from .errors import Step
from .types import Raw


class Node(msgspec.Struct, frozen=True):
    """A value of a file and its line, counted from 1."""

    line: int
    value: "str | list[Node] | dict[str, Node]"

    def plain(self) -> Raw:
        """Return the value without lines."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return {key: node.plain() for key, node in self.value.items()}

    def line_of(self, path: tuple[Step, ...]) -> int:
        """Return the line of what stands at a path, or of the innermost table or list on the way there."""
        node = self
        for step in path:
            inner = node._inner(step)
            if inner is None:
                break
            node = inner
        return node.line

    def _inner(self, step: Step) -> "Node | None":
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, list) and isinstance(step, int) and step < len(self.value):
            return self.value[step]
        return None


class UnreadableError(Exception):
    """A text is not in the language that it should be in. line: 0 where it is not known."""

    def __init__(self, line: int, why: str, fix: str) -> None:
        super().__init__(why)
        self.line = line
        self.why = why
        self.fix = fix


class Duplicate(msgspec.Struct, frozen=True):
    """A key that a table has twice."""

    key: str
    line: int
    first_line: int
