"""Many descriptions become one: OpenAPI 3.1 of all that can be asked through the gateway.

What services say of themselves is not trusted: of a document only what has the right form is taken, and only of paths
that are registered. Names are made unique by service, and who may ask is told as the gateway holds to it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

_COMPONENTS: Final = "#/components/"
_SECTIONS: Final = ("schemas", "responses", "parameters", "examples", "requestBodies", "headers", "links", "pathItems")
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")
_IN_PATH: Final = ("summary", "description", "parameters")
_DEPTH_MAX: Final = 200
_parameter = re.compile(r"\{[^}]*\}")
_not_in_names = re.compile(r"[^A-Za-z0-9._-]")

Key = tuple[str, str, str]
"""Service, method in lower case, and the path with all its parameters as ``{}``."""


class Described(NamedTuple):
    """What one version of a service says of itself. body: JSON."""

    service: str
    version: str
    body: bytes


class Missing(NamedTuple):
    """What is not in the document, and why."""

    service: str
    version: str
    reason: str


class Gathered(NamedTuple):
    """All that was gathered. described: of each service the highest version first; public: the routes, and of each
    whether anybody may ask it; schemes: of security, by name.
    """

    described: Sequence[Described]
    missing: Sequence[Missing]
    public: Mapping[Key, bool]
    schemes: Mapping[str, Any]
    title: str
    version: str


def key_of(service: str, method: str, template: str) -> Key:
    """Return by what a route and an operation find each other: descriptions know no wildcard."""
    return service, method.lower(), _parameter.sub("{}", template)


def merge(gathered: Gathered) -> bytes:
    """Return the one document as JSON."""
    merger = _Merger(gathered)
    for described in gathered.described:
        merger.add(described)
    return msgspec.json.encode(merger.document())


class _Unusable(Exception):  # noqa: N818 - it is a reason
    """A description is none."""


class _Merger:
    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered
        self._missing = list(gathered.missing)
        self._paths: dict[str, dict[str, Any]] = {}
        self._components: dict[str, dict[str, Any]] = {"securitySchemes": dict(gathered.schemes)}
        self._versions: dict[str, list[str]] = {}
        self._descriptions: dict[str, str] = {}
        self._owners: dict[tuple[str, str], tuple[str, str]] = {}  # (method, shape): whose it is, and how it is spelt

    def document(self) -> dict[str, Any]:
        """Return what was put together."""
        gathered = self._gathered
        tags = [
            {"name": service, "x-penstock-versions": versions}
            | ({"description": self._descriptions[service]} if service in self._descriptions else {})
            for service, versions in sorted(self._versions.items())
        ]
        document: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {"title": gathered.title, "version": gathered.version},
            "tags": tags,
            "paths": dict(sorted(self._paths.items())),
            "components": self._components,
        }
        if self._missing:
            document["x-penstock-missing"] = [missing._asdict() for missing in sorted(set(self._missing))]
        return document

    def add(self, described: Described) -> None:
        """Add what a version of a service says, or that it says nothing that can be used."""
        try:
            found = _decode(described.body)
            self._add(described, found)
        except (_Unusable, RecursionError) as error:
            why = str(error) if isinstance(error, _Unusable) else "its description is too deep"
            self._missing.append(Missing(described.service, described.version, why))

    def _add(self, described: Described, found: dict[str, Any]) -> None:
        service, version = described.service, described.version
        is_first = service not in self._versions
        prefix = service if is_first else f"{service}-{_not_in_names.sub('_', version)}"
        renamed = _Renamer(prefix).rename
        paths = {path: renamed(item) for path, item in _table(found, "paths").items() if isinstance(item, dict)}
        components = {
            section: {f"{prefix}.{name}": renamed(value) for name, value in _table(parts, section).items()}
            for parts in (_table(found, "components"),)
            for section in _SECTIONS
            if section in parts
        }
        self._versions.setdefault(service, []).append(version)
        description = _table(found, "info").get("description")
        if is_first and isinstance(description, str):
            self._descriptions[service] = description
        for path, item in paths.items():
            self._add_path(described, path, item)
        for section, values in components.items():
            self._components.setdefault(section, {}).update(values)

    def _add_path(self, described: Described, path: str, item: dict[str, Any]) -> None:
        for method in _METHODS:
            key = key_of(described.service, method, path)
            is_public = self._gathered.public.get(key)
            if is_public is not None and isinstance(item.get(method), dict):
                self._add_operation(described, path, item, key, is_public=is_public)

    def _add_operation(
        self, described: Described, path: str, item: dict[str, Any], key: Key, *, is_public: bool
    ) -> None:
        service, method, shape = key
        owner, spelt = self._owners.setdefault((method, shape), (service, path))
        if owner != service:
            why = f"{method.upper()} {path} is {owner}'s, too, on another host: ask for one service alone"
            self._missing.append(Missing(service, described.version, why))
            return
        there = self._paths.get(spelt, {}).get(method)
        if there is not None:  # of a higher version, which is the one that is shown
            there["x-penstock-versions"].append(described.version)
            return
        operation = dict(item[method])
        identifier = operation.get("operationId")
        operation["operationId"] = f"{service}_{identifier if isinstance(identifier, str) else f'{method}_{shape}'}"
        operation["tags"] = [service]
        operation["security"] = [] if is_public else [{name: []} for name in self._gathered.schemes]
        operation["x-penstock-versions"] = [described.version]
        target = self._paths.setdefault(spelt, {name: item[name] for name in _IN_PATH if name in item})
        target[method] = operation


class _Renamer:
    """Gives the components of one description names of their own."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def rename(self, value: Any, depth: int = 0) -> Any:
        """Return a value in which all that refers to components has their new names."""
        if depth > _DEPTH_MAX:
            raise _Unusable("its description is too deep")
        if isinstance(value, list):
            return [self.rename(each, depth + 1) for each in value]
        if not isinstance(value, dict):
            return value
        return {name: self._member(name, each, depth) for name, each in value.items()}

    def _member(self, name: str, value: Any, depth: int) -> Any:
        if name == "$ref" and isinstance(value, str):
            return self._reference(value)
        if name == "mapping" and isinstance(value, dict):  # of a discriminator
            return {key: self._reference(each) if isinstance(each, str) else each for key, each in value.items()}
        return self.rename(value, depth + 1)

    def _reference(self, reference: str) -> str:
        if not reference.startswith(_COMPONENTS):
            return reference
        section, _, name = reference[len(_COMPONENTS) :].partition("/")
        return f"{_COMPONENTS}{section}/{self._prefix}.{name}" if section in _SECTIONS else reference


def _decode(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _Unusable("its description is no JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("paths"), dict):
        raise _Unusable("its description has no paths")
    return found


def _table(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
