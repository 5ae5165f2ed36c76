"""Structured kinds: every mistake is told, with the line of the key or the path within the variable, and the fix."""

from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.settings import Loaded, Registry, Secret, Setting, SettingsError, load
from penstock.settings.file import read_settings_file
from penstock.settings.flow import parse_flow, render_flow
from penstock.settings.tables import NOWHERE, ListOf, Places, Table, TableList, TextMap
from penstock.settings.types import BadValueError, Choice, Count, Duration, SecretText, Text

WORD = Text(r"[a-z]{1,8}", "1 to 8 of a-z", "billing")


class Split(msgspec.Struct, frozen=True, kw_only=True):
    by: Annotated[str, Setting(Choice("tenant", "none"), "none", "by what", "why")]
    weights: Annotated[dict[str, int], Setting(TextMap(Count(), key=WORD), "", "how much", "why")]
    where: Places = NOWHERE


def adds_up(split: Split) -> list[BadValueError]:
    total = sum(split.weights.values())
    return [BadValueError(f"they add up to {total}", "make it 100", path=("weights",))] if total != 100 else []


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[str, Setting(WORD, "", "its name", "why", required=True)]
    deadline_ms: Annotated[int | None, Setting(Duration(), "", "how long", "why", at_most="1m")]
    methods: Annotated[tuple[str, ...], Setting(ListOf(Choice("get", "put"), "method"), "", "which", "why")]
    key: Annotated[Secret, Setting(SecretText(), "", "a secret", "why")]
    split: Annotated[Split | None, Setting(Table(Split, label="split", check=adds_up), "", "parts", "why")]
    origin: Annotated[str, Setting(WORD, "", "from where", "why", name="from")]
    where: Places = NOWHERE


class Everything(msgspec.Struct, frozen=True):
    rules: Annotated[tuple[Rule, ...], Setting(TableList(Rule, "rule"), "", "rules", "why")]
    regions: Annotated[dict[str, tuple[str, ...]], Setting(TextMap(ListOf(WORD), key=WORD), "", "regions", "why")]
    main: Annotated[Rule | None, Setting(Table(Rule), "", "one", "why")]


REGISTRY = Registry(Everything)

YAML = """\
regions: {a: [b, c]}
rules:
  - name: first
  - name: second
    deadline: 2s
    methods: [get, put]
    from: here
    key: sesame
    split:
      by: tenant
      weights:
        one: 90
        two: 10
"""


def read(tmp_path: Path, text: str, suffix: str = "yaml") -> Loaded[Everything]:
    path = tmp_path / f"p.{suffix}"
    path.write_text(text)
    return load(REGISTRY, {}, file=read_settings_file(path, REGISTRY))


def faults(tmp_path: Path, text: str, suffix: str = "yaml") -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, suffix)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def faults_of_variable(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(REGISTRY, {"PENSTOCK_RULES": text})
    return [str(problem) for problem in caught.value.problems]


SECOND = Rule(
    name="second",
    deadline_ms=2000,
    methods=("get", "put"),
    key=Secret("sesame"),
    split=Split(by="tenant", weights={"one": 90, "two": 10}),
    origin="here",
)


def test_tables_in_a_file(tmp_path: Path) -> None:
    settings = read(tmp_path, YAML).settings
    first = Rule(name="first", deadline_ms=None, methods=(), key=Secret(), split=None, origin="")
    assert settings.rules == (first, SECOND)
    assert settings.regions == {"a": ("b", "c")}
    assert settings.main is None


def test_tables_in_toml(tmp_path: Path) -> None:
    text = '[[rules]]\nname = "first"\n\n[[rules]]\nname = "second"\n[rules.split]\nweights = {one = 90, two = 10}\n'
    loaded = read(tmp_path, text, "toml")
    assert [rule.name for rule in loaded.settings.rules] == ["first", "second"]
    split = loaded.settings.rules[1].split
    assert split
    assert split.weights == {"one": 90, "two": 10}
    assert split.where.table.endswith("p.toml:6")
    assert split.where.of("weights").endswith("p.toml:7")


def test_tables_in_a_variable_as_yaml_and_as_json() -> None:
    inner = '"split":{"by":"tenant","weights":{"one":90,"two":10}}'
    for text in (
        "[{name: second, deadline: 2s, methods: [get, put], from: here, key: sesame, split: {by: tenant,"
        " weights: {one: 90, two: 10}}}]",
        '[{"name":"second","deadline":"2s","methods":["get","put"],"from":"here","key":"sesame",' + inner + "}]",
    ):
        assert load(REGISTRY, {"PENSTOCK_RULES": text}).settings.rules == (SECOND,)


def test_what_is_rendered_is_read_again_but_for_secrets(tmp_path: Path) -> None:
    loaded = read(tmp_path, YAML)
    setting = REGISTRY["rules"]
    text = setting.kind.render(loaded.settings.rules)
    assert text == (
        '[{name: first}, {name: second, deadline: 2s, methods: [get, put], key: "***",'
        " split: {by: tenant, weights: {one: 90, two: 10}}, from: here}]"
    )
    again = setting.parse(text.replace('"***"', "sesame"))
    assert again == loaded.settings.rules
    assert REGISTRY["regions"].kind.render(loaded.settings.regions) == "{a: [b, c]}"


def test_places_are_those_of_the_keys(tmp_path: Path) -> None:
    loaded = read(tmp_path, YAML)
    second = loaded.settings.rules[1]
    assert second.split
    assert [Path(place).name for place in (second.where.table, second.where.of("deadline"), second.where.of("no"))] == [
        "p.yaml:4",
        "p.yaml:5",
        "p.yaml:4",
    ]
    assert second.split.where.of("weights").endswith("p.yaml:11")
    assert loaded.origins.place("rules", 1, "split", "weights", "two").endswith("p.yaml:13")
    assert loaded.origins.place("main", "name") == "default"
    of_variable = load(REGISTRY, {"PENSTOCK_RULES": "[{name: a}]"})
    assert of_variable.settings.rules[0].where == Places("anything")
    assert of_variable.settings.rules[0].where.of("name") == "PENSTOCK_RULES[0].name"
    assert of_variable.origins.place("rules", 0, "name") == "PENSTOCK_RULES[0].name"


def test_places_are_forgotten_and_values_stay(tmp_path: Path) -> None:
    loaded = read(tmp_path, YAML)
    before = loaded.settings.rules
    loaded.origins.let_go()
    assert loaded.settings.rules == before
    assert loaded.settings.rules[1].methods == ("get", "put")
    assert loaded.settings.regions == {"a": ("b", "c")}
    assert loaded.origins["rules"].endswith("p.yaml:2")
    assert loaded.origins.place("rules", 1, "name").endswith("p.yaml:2[1].name")
    assert loaded.settings.rules[1].where.of("deadline").endswith("p.yaml:5")


def test_aliases_are_followed(tmp_path: Path) -> None:
    text = "rules:\n  - &a {name: a, methods: &m [get]}\n  - {name: b, methods: *m}\nmain: *a\n"
    settings = read(tmp_path, text).settings
    assert [rule.methods for rule in settings.rules] == [("get",), ("get",)]
    assert settings.main == settings.rules[0]


def test_many_are_read_at_once_and_two_alike_are_found() -> None:
    names = [f"{{deadline: {number}ms, name: a}}" for number in range(3_000)]
    assert len(load(REGISTRY, {"PENSTOCK_RULES": f"[{', '.join(names)}]"}).settings.rules) == 3_000
    (told,) = faults_of_variable(f"[{', '.join([*names, names[1]])}]")
    assert told.startswith("bad_value: rules[3000] (PENSTOCK_RULES[3000]): it is there twice, as the one with index 1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "rules:\n  - name: a\n  - name: B\n    methods: [get, post]\n    deadlin: 1s\n    split: {by: x}\n",
            [
                "bad_value: rules[1].name = B (p.yaml:3): 'B' is not 1 to 8 of a-z; write 1 to 8 of a-z, like billing",
                "bad_value: rules[1].methods[1] = post (p.yaml:4): 'post' is none of get, put; write get or put",
                "bad_value: rules[1].split.by = x (p.yaml:6): 'x' is none of tenant, none; write tenant or none",
                "unknown_key: rules[1].deadlin (p.yaml:5): there is no such key; did you mean deadline?",
            ],
        ),
        (
            "rules:\n  - deadline: 2m\n",
            [
                "missing_key: rules[0].name (p.yaml:2): it must be given; write name: billing",
                "bad_value: rules[0].deadline = 2m (p.yaml:2): 2m is above 1m; write a value of at most 1m",
            ],
        ),
        (
            "rules:\n  - name: a\n    zzz: 1\n",
            [
                "unknown_key: rules[0].zzz (p.yaml:3): there is no such key; remove it, or write one of name, deadline,"
                " methods, key, split, from"
            ],
        ),
        (
            "rules:\n  - name: a\n    split:\n      weights: {x: 50}\n",
            ["bad_value: rules[0].split.weights (p.yaml:4): they add up to 50; make it 100"],
        ),
        (
            "rules:\n  - name: a\n    split:\n      weights:\n        x: many\n        Y: 1\n",
            [
                "bad_value: rules[0].split.weights.x = many (p.yaml:5): 'many' is no whole number; write digits only,"
                " like 256",
                "bad_value: rules[0].split.weights.Y = Y (p.yaml:6): 'Y' is not 1 to 8 of a-z; write 1 to 8 of a-z,"
                " like billing",
            ],
        ),
        (
            "rules: {name: a}\n",
            # A rule has a secret, so what is no rule is not shown.
            ["bad_value: rules = *** (p.yaml:1): a list of rules is a list; write [{name: billing}]"],
        ),
        ("rules: [a]\n", ["bad_value: rules[0] = *** (p.yaml:1): a rule is a table of keys and values"]),
        ("rules:\n- [a]\n", ["bad_value: rules[0] = *** (p.yaml:2): a rule is a table of keys and values"]),
        ("main: [a]\n", ["bad_value: main = *** (p.yaml:1): a table is a table of keys and values"]),
        (
            "regions:\n  a: [b, b]\n",
            ["bad_value: regions.a[1] = b (p.yaml:2): it is there twice, as the one with index 0"],
        ),
        ("regions: [a]\n", ["bad_value: regions = ['a'] (p.yaml:1): a map is a table of names"]),
        ("regions:\n  a: {b: c}\n", ["bad_value: regions.a (p.yaml:2): a list of texts is a list; write [billing]"]),
        ("main:\n  name: a\n  name: b\n", ["duplicate_key: name (p.yaml:3): the key is on line 2 already"]),
    ],
)
def test_mistakes_in_a_file(tmp_path: Path, text: str, expected: list[str]) -> None:
    told = faults(tmp_path, text)
    assert len(told) == len(expected)
    for line, begin in zip(told, expected, strict=True):
        assert line.startswith(begin)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[{name: a, deadline: 1}]", "bad_value: rules[0].deadline = 1 (PENSTOCK_RULES[0].deadline): a duration needs"),
        (
            "[{name: a, nam: b}]",
            "unknown_key: rules[0].nam (PENSTOCK_RULES[0].nam): there is no such key; did you mean",
        ),
        ("[{name: a", "bad_value: rules = *** (PENSTOCK_RULES): the text of the list of rules is no YAML"),
        ("[{name: a, name: b}]", "bad_value: rules = *** (PENSTOCK_RULES): the key 'name' is there twice; keep one"),
        ("hello", "bad_value: rules = *** (PENSTOCK_RULES): a list of rules is a list; write [{name: billing}]"),
        ("[" * 40, "bad_value: rules = *** (PENSTOCK_RULES): the text of the list of rules is"),
    ],
)
def test_mistakes_in_a_variable(text: str, expected: str) -> None:
    (told,) = faults_of_variable(text)
    assert told.startswith(expected)


def test_secrets_are_never_told(tmp_path: Path) -> None:
    for text in ("[{name: a, key: 'two words'}]", "[{name: a, key: 'two words'", "two words", "[two words]"):
        assert "two words" not in "".join(faults_of_variable(text))
    (told,) = faults(tmp_path, "rules:\n  - name: a\n    key: two words\n")
    assert told.startswith("bad_value: rules[0].key = *** (p.yaml:3): a secret is at most 4096 printable ASCII")


def test_a_secret_within_a_table_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("sesame\n")
    loaded = read(tmp_path, f"rules: [{{name: a, key_file: {secret}}}]\n")
    assert loaded.settings.rules[0].key.reveal() == "sesame"
    secret.write_text(" \n")
    assert faults(tmp_path, f"rules:\n  - name: a\n    key_file: {secret}\n") == [
        "secret_empty: rules[0].key_file (p.yaml:3): key is empty; write the secret into it, or unset the variable"
    ]
    assert faults(tmp_path, "rules:\n  - name: a\n    key: b\n    key_file: none\n") == [
        "secret_twice: rules[0].key_file (p.yaml:4): key is there too, and only one of them can count; keep one of the"
        " two"
    ]
    secret.unlink()
    (told,) = faults(tmp_path, f"rules: [{{name: a, key_file: {secret}}}]\n")
    assert told.startswith("secret_unreadable: rules[0].key_file (p.yaml:1): cannot read key: No such file")


def test_a_list_of_texts_takes_commas_and_brackets() -> None:
    kind = ListOf(WORD, "name")
    for raw in ("a, b", "[a, b]", ["a", "b"]):
        assert kind.parse(raw) == ("a", "b")
    assert kind.parse("") == ()
    assert kind.render(("a", "b")) == "a, b"
    assert ListOf(Text(".*", "", ""), unique=False).render(("a,b", "c")) == '["a,b", c]'
    assert ListOf(WORD, unique=False).parse("a, a") == ("a", "a")


@pytest.mark.parametrize("word", ["off", "ON", "yes", "No", "y", "N"])
def test_a_word_that_others_take_for_a_switch_is_quoted(word: str) -> None:
    assert render_flow({"mode": word}) == f'{{mode: "{word}"}}'
    assert parse_flow(render_flow(word), "value", "") == word


TEXTS = st.text(max_size=8)


@given(st.recursive(TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)))
def test_flow_text_is_read_as_it_was(raw: str | list[str]) -> None:
    if not isinstance(raw, str):
        assert parse_flow(render_flow(raw), "value", "") == raw
