"""Reads YAML into nodes. It is composed, not constructed: the text of each scalar is taken as it stands, so that ``no``
is no boolean, ``1:30`` no number and ``10s`` needs no quotes, and every node keeps its line. No tag makes anything.
"""

from typing import TYPE_CHECKING

from .nodes import Duplicate, Node, UnreadableError

if TYPE_CHECKING:
    import yaml

NODES_MAX = 262_144  # aliases may stand for far more than the text's size
DEPTH_MAX = 16


def read_yaml(text: str, duplicates: list[Duplicate]) -> Node:
    """Return what a text says; keys that a table has twice are added to the duplicates, and the second counts.

    Raises:
        UnreadableError: it is no YAML, or too large or too deep.
    """
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return Node(1, "") if root is None else _YamlReader(duplicates, has_aliases="*" in text).convert(root, 0)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise UnreadableError(line, f"is no YAML: {error.problem or error.context}", "correct the line") from None
    except yaml.YAMLError as error:
        why = f"is no YAML: {str(error).splitlines()[0]}"
        raise UnreadableError(0, why, "save it as plain UTF-8 text") from None
    except RecursionError:
        raise UnreadableError(0, "is nested too deeply", "settings have a few levels") from None


class _YamlReader:
    """Converts composed nodes, bounded in depth and in number."""

    def __init__(self, duplicates: list[Duplicate], *, has_aliases: bool) -> None:
        self._duplicates = duplicates
        self._has_aliases = has_aliases
        self._nodes = 0

    def convert(self, node: "yaml.Node", depth: int) -> Node:
        """Return the node with all that is in it."""
        import yaml

        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > NODES_MAX or depth > DEPTH_MAX:
            raise UnreadableError(line, "is too large when its aliases are followed", "use no aliases")
        if isinstance(node, yaml.CollectionNode):
            value = self._collection(node, depth)
            if not self._has_aliases:
                node.value = ()  # bit by bit: a large tree that goes all at once holds up the threads beside this one
            return Node(line, value)
        return Node(line, "" if node.tag == "tag:yaml.org,2002:null" else str(node.value))

    def _collection(self, node: "yaml.CollectionNode", depth: int) -> list[Node] | dict[str, Node]:
        import yaml

        if isinstance(node, yaml.MappingNode):
            return self._table(node, depth)
        return [self.convert(item, depth + 1) for item in node.value]

    def _table(self, node: "yaml.MappingNode", depth: int) -> dict[str, Node]:
        table: dict[str, Node] = {}
        for key_node, value_node in node.value:
            key, line = _key(key_node), key_node.start_mark.line + 1
            if key in table:
                self._duplicates.append(Duplicate(key, line, table[key].line))
            table[key] = Node(line, self.convert(value_node, depth + 1).value)
        return table


def _key(node: "yaml.Node") -> str:
    line = node.start_mark.line + 1
    if not isinstance(node.value, str):
        raise UnreadableError(line, "has a list or a table for a key", "write a text before the colon")
    if node.tag == "tag:yaml.org,2002:merge":
        raise UnreadableError(line, "has the key <<, by which nothing is put in here", "write the keys themselves")
    return node.value
