"""Settings files: values as written, lines in every error, and nothing that a file can do to the reader."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.settings import Registry, Secret, Setting, SettingsError, SettingsFile
from penstock.settings.allow import AllowMap
from penstock.settings.file import FILE_BYTES_MAX, read_settings_file
from penstock.settings.types import Duration, Flag, SecretText


class Edge(msgspec.Struct, frozen=True):
    timeout_ms: Annotated[int, Setting(Duration("ms"), "1s", "what", "why")]
    open: Annotated[bool, Setting(Flag(), "false", "what", "why")]
    token: Annotated[Secret, Setting(SecretText(), "", "what", "why")]
    allow: Annotated[dict[str, tuple[str, ...]], Setting(AllowMap(), "", "what", "why")]


class Everything(msgspec.Struct, frozen=True):
    edge: Edge


REGISTRY = Registry(Everything)


def read(tmp_path: Path, text: str | bytes, suffix: str = "yaml") -> SettingsFile:
    path = tmp_path / f"p.{suffix}"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_settings_file(path, REGISTRY)


def shown(file: SettingsFile) -> list[str]:
    return [f"{problem.code} {problem.what} {Path(problem.where).name}: {problem.fix}" for problem in file.problems]


def failure(tmp_path: Path, text: str | bytes, suffix: str = "yaml") -> str:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, suffix)
    (problem,) = caught.value.problems
    return f"{problem.code} {Path(problem.where).name}: {problem.why}"


def test_yaml_values_are_taken_as_written(tmp_path: Path) -> None:
    file = read(
        tmp_path, "# comment\nedge:\n  timeout: 1:30\n  open: no\n  token: '0123'\n  allow: {billing: [/a, /b]}\n"
    )
    assert {name: found.raw for name, found in file.values.items()} == {
        "edge.timeout": "1:30",
        "edge.open": "no",
        "edge.token": "0123",
        "edge.allow": {"billing": ["/a", "/b"]},
    }
    assert [Path(found.where).name for found in file.values.values()] == [
        "p.yaml:3",
        "p.yaml:4",
        "p.yaml:5",
        "p.yaml:6",
    ]


def test_toml_values(tmp_path: Path) -> None:
    text = '# comment\n[edge]\ntimeout = "10s"\nopen = true\n\n[edge.allow]\nbilling = ["/a"]\n'
    file = read(tmp_path, text, "toml")
    assert {name: found.raw for name, found in file.values.items()} == {
        "edge.timeout": "10s",
        "edge.open": "true",
        "edge.allow": {"billing": ["/a"]},
    }
    assert [Path(found.where).name for found in file.values.values()] == ["p.toml:3", "p.toml:4", "p.toml:6"]


def test_toml_in_one_line_has_the_line_of_its_table(tmp_path: Path) -> None:
    file = read(tmp_path, '\nedge = { timeout = "10s" }\n', "toml")
    assert file.values["edge.timeout"].where.endswith("p.toml:2")


@pytest.mark.parametrize("text", ["", "# nothing\n", "edge:\n", "edge: {}\n", "~\n", "---\n"])
def test_an_empty_file_says_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == SettingsFile({}, ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("edge:\n  timout: 1s\n", "unknown_key edge.timout p.yaml:2: did you mean edge.timeout?"),
        ("egde:\n  timeout: 1s\n", "unknown_key egde p.yaml:1: did you mean edge?"),
        ("edge.timeout: 1s\n", "unknown_key edge.timeout p.yaml:1: write it nested: edge: {timeout: ...}"),
        ("zzz: 1\n", "unknown_key zzz p.yaml:1: remove it, or see `penstock config` for what there is"),
        ("edge: 1s\n", "bad_section edge p.yaml:1: write edge: {...}"),
        ("edge:\n  open: true\n  open: false\n", "duplicate_key open p.yaml:3: keep one of the two"),
        ("- edge\n", "bad_file settings p.yaml:1: write edge: {listen: ...}"),
        ("just text\n", "bad_file settings p.yaml:1: write edge: {listen: ...}"),
    ],
)
def test_mistakes_have_a_line_and_a_fix(tmp_path: Path, text: str, problem: str) -> None:
    assert shown(read(tmp_path, text)) == [problem]


def test_an_unknown_key_in_toml_has_its_line(tmp_path: Path) -> None:
    assert shown(read(tmp_path, '[edge]\nopen = true\ntimout = "1s"\n', "toml")) == [
        "unknown_key edge.timout p.toml:3: did you mean edge.timeout?"
    ]


@pytest.mark.parametrize(
    ("text", "suffix", "expected"),
    [
        ("edge: {open: true\n", "yaml", "bad_file p.yaml:2: is no YAML"),
        ("a: b: c\n", "yaml", "bad_file p.yaml:1: is no YAML"),
        ("\tedge: 1\n", "yaml", "bad_file p.yaml:1: is no YAML"),
        ("a: 1\n---\nb: 1\n", "yaml", "bad_file p.yaml:2: is no YAML"),
        ("edge: *nothing\n", "yaml", "bad_file p.yaml:1: is no YAML"),
        ("a: \x00\n", "yaml", "bad_file p.yaml: is no YAML"),
        (b"a: 1\nb: \xff\n", "yaml", "bad_file p.yaml:2: is not UTF-8 text"),
        ("[" * 20_000, "yaml", "bad_file p.yaml: is nested too deeply"),
        ("a: " + "[" * 30 + "]" * 30, "yaml", "bad_file p.yaml:1: is too large when its aliases are followed"),
        ("? [a, b]\n: c\n", "yaml", "bad_file p.yaml:1: has a list or a table for a key"),
        ("edge:\n  <<: {open: true}\n", "yaml", "bad_file p.yaml:2: has the key <<, by which nothing is put in here"),
        ("a: &a [*a]\n", "yaml", "bad_file p.yaml:1: is too large when its aliases are followed"),
        ("[edge]\nopen = \n", "toml", "bad_file p.toml:2: is no TOML"),
        ("a = 1\na = 2\n", "toml", "bad_file p.toml:2: is no TOML"),
        (b"#" * (FILE_BYTES_MAX + 1), "yaml", "bad_file p.yaml: is larger than 1MiB"),
    ],
)
def test_what_is_no_settings_file(tmp_path: Path, text: str | bytes, suffix: str, expected: str) -> None:
    assert failure(tmp_path, text, suffix).startswith(expected)


def test_aliases_cannot_grow_without_bound(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too large" in failure(tmp_path, "\n".join(lines))


def test_a_tag_constructs_nothing(tmp_path: Path) -> None:
    file = read(tmp_path, "edge:\n  timeout: !!python/object/apply:os.getcwd []\n")
    assert file.values["edge.timeout"].raw == []


def test_a_file_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "none.yaml", "file_missing"), (tmp_path, "file_unreadable")):
        with pytest.raises(SettingsError) as caught:
            read_settings_file(path, REGISTRY)
        assert caught.value.problems[0].code == code


@pytest.mark.parametrize("suffix", ["yaml", "toml"])
@given(text=st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, suffix: str, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"any.{suffix}"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with suppress(SettingsError):
        assert isinstance(read_settings_file(path, REGISTRY), SettingsFile)
