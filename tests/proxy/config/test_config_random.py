"""Whatever a file or a variable says: it is loaded, or told line by line why not, and nothing else comes of it."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.settings import Loaded, SettingsError, load
from penstock.settings.explain import as_text, as_yaml, places, rows
from penstock.settings.flow import render_flow
from penstock.settings.load import Found, SettingsFile
from penstock.settings.tables import ListOf, Table, TextMap
from penstock.settings.types import Kind
from proxy.config import gateway_registry
from proxy.config.changes import compare
from proxy.config.checks import check_together
from proxy.config.references import advice

REGISTRY = gateway_registry()
ODD = [
    "",
    " ",
    "none",
    "-1",
    "0",
    "1",
    "100",
    "9" * 40,
    "1e9",
    "5s",
    "1KiB",
    "true",
    "/",
    "/a",
    "//",
    "*",
    "a:b",
    "\x00",
    "é",
]
ODD += [
    "127.0.0.1:1",
    "[::1]:1",
    "1.2.3",
    "^1",
    "tenant",
    "header x",
    "10/s by address",
    "authenticated",
    "GET",
    "{",
    "]",
]
TEXTS = st.sampled_from(ODD) | st.text(max_size=6)
ANYTHING = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2), max_leaves=5
)


def values_of(kind: Kind[Any]) -> st.SearchStrategy[Any]:
    """Values that look like those of a kind, and now and then anything else."""
    kind = kind.actual
    likely: st.SearchStrategy[Any] = TEXTS | st.just(kind.example)
    if isinstance(kind, Table):
        keys = {key: values_of(setting.kind) for key, setting in kind.keys.items()}
        needed = {key: keys[key] for key, setting in kind.keys.items() if setting.required}
        likely = st.fixed_dictionaries(needed, optional={key: keys[key] for key in keys if key not in needed})
    elif isinstance(kind, ListOf):
        likely = st.lists(values_of(kind.kind), max_size=3)
    elif isinstance(kind, TextMap):
        likely = st.dictionaries(TEXTS, values_of(kind.kind), max_size=2)
    return likely | likely | likely | ANYTHING


SETTINGS = st.sampled_from(list(REGISTRY)).flatmap(lambda setting: st.tuples(st.just(setting), values_of(setting.kind)))
GIVEN = st.lists(SETTINGS, min_size=1, max_size=3).map(lambda pairs: {setting.name: raw for setting, raw in pairs})


def loaded_or_told(environment: dict[str, str], file: SettingsFile | None = None) -> Loaded[Any] | None:
    try:
        return load(REGISTRY, environment, file=file, check=check_together, advise=advice)
    except SettingsError as error:
        for problem in error.problems:
            assert problem.code
            assert problem.why
            assert problem.fix
            assert problem.where
        return None


def look_at(loaded: Loaded[Any]) -> None:
    """Show it in every way, and compare it with what is loaded without anything."""
    as_text(rows(REGISTRY, loaded), 80, False)
    as_yaml(REGISTRY, loaded)
    places(REGISTRY, loaded)
    json.dumps([str(change) for change in compare(REGISTRY, load(REGISTRY, {}).values, loaded.values)])


@given(GIVEN)
def test_files(given: dict[str, Any]) -> None:
    file = SettingsFile({name: Found(raw, "p.yaml:1") for name, raw in given.items()})
    loaded = loaded_or_told({}, file)
    if loaded:
        look_at(loaded)


@given(GIVEN)
def test_variables(given: dict[str, Any]) -> None:
    texts = {REGISTRY[name].variable: raw if isinstance(raw, str) else render_flow(raw) for name, raw in given.items()}
    loaded = loaded_or_told(texts)
    if loaded:
        look_at(loaded)
