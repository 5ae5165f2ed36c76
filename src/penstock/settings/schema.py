"""The JSON Schema of a settings file (draft 2020-12), so that editors complete keys and mark mistakes while one types.

It takes whatever the reader takes, as far as a schema can say so: what is checked between settings is left to
`penstock check`. Numbers and switches may stand without quotes.
"""

from typing import Any

from .allow import AllowMap
from .claims import GivenClaim, WantedClaim
from .lists import ListKind
from .registry import Registry, Setting
from .tables import ListOf, Table, TextMap
from .types import BYTES, MICROSECONDS, Choice, Count, Duration, Flag, Fraction, Kind, Size, Text, TextKind
from .words import Word

Schema = dict[str, Any]

_SCALAR = ["string", "number", "boolean"]
_TEXTS: Schema = {"type": "array", "items": {"type": _SCALAR}}
_NUMBER = r"[0-9]{1,15}(\.[0-9]{1,9})?"


def json_schema(registry: Registry, title: str) -> Schema:
    """Return the schema of a file of these settings."""
    sections: dict[str, Schema] = {}
    top: dict[str, Schema] = {}
    for setting in registry:
        section, dot, key = setting.name.rpartition(".")
        _add(sections.setdefault(section, {}) if dot else top, key, setting)
    properties = {name: _section(properties) for name, properties in sections.items()} | top
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
    }


def _section(properties: dict[str, Schema]) -> Schema:
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _add(properties: dict[str, Schema], key: str, setting: Setting, *, is_inner: bool = False) -> None:
    default = f" Default: {setting.default or 'none'}, since {setting.reason}." if setting.reason else ""
    takes = "" if is_inner else f" Takes effect on {setting.applies}."
    said = {"description": f"{setting.what[:1].upper()}{setting.what[1:]}.{default}{takes}"}
    properties[key] = said | schema_of(setting.kind)
    if setting.is_secret:
        properties[f"{key}_file"] = {"description": f"The file that holds {key}.", "type": "string"}


def schema_of(kind: Kind[Any]) -> Schema:
    """Return the schema of a kind's values in a file."""
    kind = kind.actual
    if isinstance(kind, Table):
        return _table(kind)
    if isinstance(kind, TextMap):
        return {"type": "object", "additionalProperties": schema_of(kind.kind)}
    if isinstance(kind, ListOf):
        items: Schema = {"type": "array", "items": schema_of(kind.kind)}
        return {"anyOf": [items, {"type": "string"}]} if isinstance(kind.kind, TextKind) else items
    if isinstance(kind, ListKind):
        return {"anyOf": [_TEXTS, {"type": "string"}]}
    if isinstance(kind, AllowMap):
        paths: Schema = {"anyOf": [{"type": "string"}, _TEXTS]}
        return {"anyOf": [{"type": "object", "additionalProperties": paths}, {"type": "string"}]}
    if isinstance(kind, GivenClaim | WantedClaim):
        return {"anyOf": [{"type": _SCALAR}, _TEXTS]}
    return _scalar(kind) if isinstance(kind, TextKind) else {}


def _table(table: Table[Any]) -> Schema:
    properties: dict[str, Schema] = {}
    for key, setting in table.keys.items():
        _add(properties, key, setting, is_inner=True)
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [key for key, setting in table.keys.items() if setting.required and not setting.is_secret]
    return schema | ({"required": required} if required else {})


def _scalar(kind: TextKind[Any]) -> Schema:
    if isinstance(kind, Choice | Word):
        return {"enum": [form for word in kind.words for form in _forms(word)]}
    if isinstance(kind, Flag):
        return {"enum": [True, False, "true", "false"]}
    if isinstance(kind, Count):
        return {"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]{1,15}$"}
    if isinstance(kind, Duration):
        return {"type": "string", "pattern": f"^{_NUMBER} ?({'|'.join(MICROSECONDS)})$"}
    if isinstance(kind, Size):
        return {"type": "string", "pattern": f"^{_NUMBER} ?({'|'.join(BYTES)})(/s)?$"}
    if isinstance(kind, Fraction):
        return {"type": ["string", "number"]}
    pattern = kind.pattern if isinstance(kind, Text) else ""
    # What Python adds to regular expressions means something else, or nothing, to those who read schemas.
    return {"type": _SCALAR} | ({"pattern": f"^({pattern})?$"} if pattern and "(?" not in pattern else {})


def _forms(word: str) -> list[Any]:
    """A word that looks like a number is one for who reads the file, when it stands without quotes."""
    try:
        return [word, float(word)]
    except ValueError:
        return [word]
