"""Structured values on one line, as a variable or a flag holds them: ``[{name: a, methods: [GET]}]``, or as JSON."""

import re

from .errors import BadValueError
from .types import Raw

_BARE = re.compile(r"[A-Za-z0-9/._~^<=*+@$()-][A-Za-z0-9/._~^<>=*+@$()% :;-]*")
_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_NULLS = {"", "~", "null"}
_SWITCHES = {"on", "off", "yes", "no", "y", "n"}
"""Words here, and switches for readers of YAML 1.1: an editor, say."""


def parse_flow(text: str, label: str, example: str) -> Raw:
    """Return the texts, lists and tables that a text stands for.

    Raises:
        BadValueError: it is no YAML, or a key is there twice.
    """
    from .nodes import Duplicate, UnreadableError
    from .yaml_nodes import read_yaml

    duplicates: list[Duplicate] = []
    try:
        node = read_yaml(text, duplicates)
    except UnreadableError as error:
        raise BadValueError(f"the text of the {label} {error.why}", f"write {example}") from None
    if duplicates:
        raise BadValueError(f"the key {duplicates[0].key!r} is there twice", "keep one of the two")
    return node.plain()


def render_flow(raw: Raw) -> str:
    """Return texts, lists and tables on one line, so that `parse_flow` gives the same again."""
    if isinstance(raw, str):
        return raw if _is_bare(raw) else _quoted(raw)
    if isinstance(raw, dict):
        return "{" + ", ".join(f"{render_flow(key)}: {render_flow(value)}" for key, value in raw.items()) + "}"
    return "[" + ", ".join(render_flow(item) for item in raw) + "]"


def _is_bare(text: str) -> bool:
    """Whether YAML takes it as this text without quotes, within brackets and as a key."""
    if text.lower() in _NULLS | _SWITCHES or not _BARE.fullmatch(text):
        return False
    if text.endswith((" ", ":")) or ": " in text:
        return False
    return not text.startswith(("*", "@", "%", "- ", ": ", "? ")) and text not in ("-", "=", "<<", "---", "...")


def _quoted(text: str) -> str:
    import json

    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
