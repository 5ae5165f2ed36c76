"""Placement maps in files: what is read, what is refused with file and line, and when one replaces another."""

import json
import os
from pathlib import Path

import pytest

from penstock.settings.errors import SettingsError
from proxy.config.rule import Rule
from proxy.route.placement import PlacementMap
from proxy.route.placement_file import FilePlacement, unknown_kinds
from proxy.route.placement_reader import PROBLEMS_MAX, YAML_BYTES_MAX, read_placement

GOOD = """\
kind: aggregate_placement
revision: 7
shards:
  one: [billing-a, billing-b]
  two:
    - billing-c
tenants:
  acme: one
  umbrella: two
default: one
"""


def written(folder: Path, text: str, name: str = "map.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(*paths: Path) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        read_placement(paths)
    return [str(problem).replace(f"{paths[0].parent}/", "") for problem in raised.value.problems]


def shape(placement: PlacementMap) -> object:
    return (
        placement.kind,
        placement.revision,
        {name: sorted(shard.instances) for name, shard in placement.shards.items()},
        {tenant: shard.name for tenant, shard in placement.tenants.items()},
        placement.default and placement.default.name,
    )


READ = (
    "aggregate_placement",
    7,
    {"one": ["billing-a", "billing-b"], "two": ["billing-c"]},
    {b"acme": "one", b"umbrella": "two"},
    "one",
)


def test_a_map_in_yaml(tmp_path: Path) -> None:
    (placement,) = read_placement([written(tmp_path, GOOD)])
    assert shape(placement) == READ
    assert placement.origin == str(tmp_path / "map.yaml")
    assert placement.tenants[b"acme"] is placement.shards["one"] is placement.default
    assert placement.shard_of(b"other") is placement.default


def test_a_map_in_json(tmp_path: Path) -> None:
    table = {
        "kind": "aggregate_placement",
        "revision": 7,
        "shards": {"one": ["billing-a", "billing-b"], "two": ["billing-c"]},
        "tenants": {"acme": "one", "umbrella": "two"},
        "default": "one",
    }
    (placement,) = read_placement([written(tmp_path, json.dumps(table), "map.json")])
    assert shape(placement) == READ


def test_very_many_tenants_in_json(tmp_path: Path) -> None:
    table = {
        "kind": "runner_placement",
        "revision": 1,
        "shards": {"one": ["a"]},
        "tenants": {f"tenant-{number}": "one" for number in range(100_000)},
        "default": None,
    }
    (placement,) = read_placement([written(tmp_path, json.dumps(table), "map.json")])
    assert len(placement.tenants) == 100_000
    assert placement.default is None


def test_a_shard_without_instances_and_a_map_without_tenants(tmp_path: Path) -> None:
    text = "kind: my_own_placement\nrevision: 0\nshards: {one: []}\ntenants:\ndefault: one\n"
    (placement,) = read_placement([written(tmp_path, text)])
    assert shape(placement) == ("my_own_placement", 0, {"one": []}, {}, "one")


WRONG = {
    "no table": (
        "- a\n",
        ["bad_placement: placement map (map.yaml:1): is no table; write kind, revision, shards and tenants"],
    ),
    "empty": ("", ["bad_placement: placement map (map.yaml:1): is no table; write kind, revision, shards and tenants"]),
    "no YAML": (
        "kind: [\n",
        [
            "bad_file: placement map (map.yaml:2): is no YAML: expected the node content, but found"
            " '<stream end>'; correct the line"
        ],
    ),
    "nothing": (
        "{}",
        [
            "missing_key: kind (map.yaml:1): is missing; write kind: aggregate_placement",
            "missing_key: revision (map.yaml:1): is missing; write revision: 1",
            "missing_key: shards (map.yaml:1): is missing; write shards: {...}, or shards: {} for none",
            "missing_key: tenants (map.yaml:1): is missing; write tenants: {...}, or tenants: {} for none",
        ],
    ),
    "unknown key": (
        GOOD + "tenant: {}\n",
        ["unknown_key: tenant (map.yaml:11): a placement map has no such key; did you mean tenants?"],
    ),
    "kind": (
        GOOD.replace("aggregate_placement", "aggregates"),
        [
            "bad_value: kind (map.yaml:1): 'aggregates' is not a name that ends in _placement; write"
            " kind: aggregate_placement"
        ],
    ),
    "revision": (
        GOOD.replace("7", "7.5"),
        ["bad_value: revision (map.yaml:2): '7.5' is not a whole number; write revision: 1"],
    ),
    "a revision below zero": (
        GOOD.replace("7", "-1"),
        ["bad_value: revision (map.yaml:2): '-1' is not a whole number; write revision: 1"],
    ),
    "shards": (
        GOOD.replace("[billing-a, billing-b]", "billing-a"),
        ["bad_value: shards.one (map.yaml:4): 'billing-a' is no list; write one: [billing-a]"],
    ),
    "instance": (
        GOOD.replace("billing-b", "billing b").replace("billing-c", "{}"),
        [
            "bad_value: shards.one (map.yaml:4): 'billing b' is no name of an instance; write 1 to"
            " 64 of A-Z a-z 0-9 . _ -, as PENSTOCK_INSTANCE has it",
            "bad_value: shards.two (map.yaml:6): a table is no name of an instance; write 1 to 64 of"
            " A-Z a-z 0-9 . _ -, as PENSTOCK_INSTANCE has it",
        ],
    ),
    "an instance twice": (
        GOOD.replace("billing-b", "billing-a"),
        ["bad_value: shards.one (map.yaml:4): 'billing-a' is there twice; name each instance once"],
    ),
    "tenants": (
        GOOD.replace("tenants:\n", "tenants: acme\nx:\n").replace("x:\n  acme: one\n  umbrella: two\n", ""),
        ["bad_value: tenants (map.yaml:7): 'acme' is no table; write tenants: {...}"],
    ),
    "tenant": (
        GOOD.replace("umbrella:", "umb rella:"),
        ["bad_value: tenants (map.yaml:9): 'umb rella' is not 1 to 64 of A-Z a-z 0-9 . _ -; use these characters only"],
    ),
    "unknown shard": (
        GOOD.replace("umbrella: two", "umbrella: tow"),
        [
            "unknown_shard: tenants.umbrella (map.yaml:9): 'tow' is no shard of this map; name one"
            " of shards, or add it there"
        ],
    ),
    "unknown shard, near": (
        GOOD.replace("one: [", "first: [")
        .replace("umbrella: two", "umbrella: first")
        .replace("acme: one", "acme: frist")
        .replace("default: one", "default: [first]"),
        [
            "unknown_shard: tenants.acme (map.yaml:8): 'frist' is no shard of this map; did you mean first?",
            "unknown_shard: default (map.yaml:10): a list is no shard of this map; name one of shards, or add it there",
        ],
    ),
    "duplicate": (
        GOOD.replace("umbrella: two", "acme: two"),
        ["duplicate_key: acme (map.yaml:9): the key is on line 8 already; keep one of the two"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_map(case: str, tmp_path: Path) -> None:
    text, told = WRONG[case]
    assert problems(written(tmp_path, text)) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "{",
            [
                "bad_file: placement map (map.json:1): is no JSON: Expecting property name enclosed"
                " in double quotes; correct the line"
            ],
        ),
        ("7", ["bad_placement: placement map (map.json): is no table; write kind, revision, shards and tenants"]),
        (
            '{\n"kind": "runner_placement",\n"revision": true,\n"shards": {"one":'
            ' ["a"]},\n"tenants": {"t": "one",\n"u": "two"}\n}',
            [
                "bad_value: revision (map.json:3): 'true' is not a whole number; write revision: 1",
                "unknown_shard: tenants.u (map.json:6): 'two' is no shard of this map; name one of"
                " shards, or add it there",
            ],
        ),
        (
            '{"kind": "runner_placement", "revision": 1, "shards": {"one": ["a"]}, "tenants":'
            ' {\n"t": "one",\n"t": "one"}}',
            ["duplicate_key: t (map.json): the key is on line 2 already; keep one of the two"],
        ),
        ("[" * 100_000, ["bad_file: placement map (map.json): is nested too deeply; a placement map has three levels"]),
    ],
)
def test_what_is_wrong_with_json(text: str, told: list[str], tmp_path: Path) -> None:
    assert problems(written(tmp_path, text, "map.json")) == told


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    written(tmp_path, "#" * (YAML_BYTES_MAX + 1), "large.yaml")
    (tmp_path / "folder.yaml").mkdir()
    names = ("missing.yaml", "binary.yaml", "large.yaml", "folder.yaml")
    assert problems(*(tmp_path / name for name in names)) == [
        "bad_file: placement map (missing.yaml): there is no such file; name an existing file in placement.maps",
        "bad_file: placement map (binary.yaml): is not UTF-8 text; save it as UTF-8",
        "bad_file: placement map (large.yaml): is larger than 1MiB; make it smaller; JSON may have 32MiB",
        f"bad_file: placement map (folder.yaml): cannot be read: {os.strerror(21)}; name a file that"
        " this user may read",
    ]


def test_two_files_of_one_kind(tmp_path: Path) -> None:
    paths = written(tmp_path, GOOD), written(tmp_path, GOOD, "other.yaml")
    told = (
        f"duplicate_placement: aggregate_placement (other.yaml): {paths[0].name} is a map of this kind"
        " already; name one file for each kind"
    )
    assert problems(*paths) == [told]


def test_not_more_problems_are_told_than_somebody_may_read(tmp_path: Path) -> None:
    tenants = "".join(f"  t{number}: none\n" for number in range(200))
    assert len(problems(written(tmp_path, GOOD.replace("  acme: one\n", tenants)))) == PROBLEMS_MAX


# ---- one after another ----


def placement_of(folder: Path, text: str = GOOD) -> FilePlacement:
    source = FilePlacement([written(folder, text)])
    source.load()
    return source


def refused(source: FilePlacement, folder: Path, text: str) -> str:
    before = source.maps
    written(folder, text)
    with pytest.raises(SettingsError) as raised:
        source.load()
    assert source.maps is before
    return str(raised.value).replace(f"{folder}/", "")


def test_a_higher_revision_replaces_the_map(tmp_path: Path) -> None:
    source = placement_of(tmp_path)
    changed: list[PlacementMap] = []
    source.subscribe(changed.append)
    before = source.maps
    written(tmp_path, GOOD.replace("revision: 7", "revision: 8").replace("acme: one", "acme: two"))
    source.load()
    assert source.maps is not before
    assert source.maps["aggregate_placement"].tenants[b"acme"].name == "two"
    assert changed == [source.maps["aggregate_placement"]]


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    source = placement_of(tmp_path)
    changed: list[PlacementMap] = []
    source.subscribe(changed.append)
    before = source.maps["aggregate_placement"]
    source.load()
    assert source.maps["aggregate_placement"] is before
    assert changed == []


def test_a_lower_revision_is_refused(tmp_path: Path) -> None:
    source = placement_of(tmp_path)
    assert refused(source, tmp_path, GOOD.replace("revision: 7", "revision: 6")) == (
        "placement_revision: aggregate_placement (map.yaml): revision 6 is below 7, which is in use;"
        " write revision: 8, or more"
    )


@pytest.mark.parametrize(
    "change", [("acme: one", "acme: two"), ("default: one", "default: two"), ("billing-b", "billing-d")]
)
def test_other_content_needs_another_revision(tmp_path: Path, change: tuple[str, str]) -> None:
    source = placement_of(tmp_path)
    assert refused(source, tmp_path, GOOD.replace(*change)) == (
        "placement_revision: aggregate_placement (map.yaml): revision 7 is in use with other content;"
        " write revision: 8, or more"
    )


def test_what_is_wrong_with_one_file_leaves_all_maps(tmp_path: Path) -> None:
    other = written(tmp_path, GOOD.replace("aggregate", "runner"), "runner.yaml")
    source = FilePlacement([written(tmp_path, GOOD), other])
    source.load()
    written(tmp_path, GOOD.replace("revision: 7", "revision: 9"))
    other.write_text(GOOD.replace("aggregate", "runner").replace("revision: 7", "revision: 3"))
    with pytest.raises(SettingsError):
        source.load()
    assert {kind: placement.revision for kind, placement in source.maps.items()} == {
        "aggregate_placement": 7,
        "runner_placement": 7,
    }


async def test_maps_are_read_beside_the_traffic(tmp_path: Path) -> None:
    source = FilePlacement([written(tmp_path, GOOD)])
    await source.reload()
    assert shape(source.maps["aggregate_placement"]) == READ


def test_a_map_that_is_named_no_more_is_gone(tmp_path: Path) -> None:
    source = placement_of(tmp_path)
    source.paths = ()
    source.load()
    assert source.maps == {}


def test_rules_that_name_a_map_that_is_not_there(tmp_path: Path) -> None:
    maps = placement_of(tmp_path).maps.values()
    named = ("aggregate_placement", "agregate_placement", "runner_placement", "", None)
    rules = [Rule(origin=f"penstock.yaml:{line}", placement=kind) for line, kind in enumerate(named, 1)]
    assert [str(problem) for problem in unknown_kinds(rules, maps)] == [
        "unknown_placement: placement (penstock.yaml:2): there is no map of the kind 'agregate_placement';"
        " did you mean aggregate_placement?",
        "unknown_placement: placement (penstock.yaml:3): there is no map of the kind 'runner_placement';"
        " name the map's file in placement.maps, or leave this out",
    ]
