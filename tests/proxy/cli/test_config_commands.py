"""`penstock config` and its sub-commands: what each writes, is read again as what it says."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli.config import COMMANDS
from proxy.cli.main import command
from proxy.config import gateway_registry, load_gateway

YAML = """\
edge: {deadline: 5s, tls_min_version: 1.3}
services:
  allow: {billing: [/invoices]}
  token: hunter2
identity:
  api_keys:
    - {principal: reports, hash: "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}
rules:
  - name: a
    service: billing
    rate_limits: ["5/s by route, tenant"]
    split:
      weights: {1.x: 90, "^2": 10}
  - name: b
    deadline: 2s
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("PENSTOCK_"):
            monkeypatch.delenv(name)


def run(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(command, ["config", *map(str, arguments)], env=environment)


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text(YAML)
    return path


# ---- the group ----


def test_the_group_lists_its_commands() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", result.stdout, re.MULTILINE)


def test_flags_alone_are_those_of_show(path: Path) -> None:
    assert run("--config", path).stdout == run("show", "--config", path).stdout
    assert run().stdout == run("show").stdout


def test_an_unknown_command() -> None:
    result = run("shw")
    assert (result.exit_code, "No such command 'shw'" in result.stderr) == (2, True)


@pytest.mark.parametrize("name", ["show", "check", "env", "diff"])
def test_bad_settings_end_with_2(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("edge: {deadline: 4}\n")
    result = run(name, *([path] if name == "diff" else ["--config", path]))
    assert result.exit_code == 2
    assert result.stderr == (
        f"penstock: error: bad_value: edge.deadline = 4 ({path}:1): a duration needs a unit; write 4s or 4ms\n"
    )


# ---- show ----


def test_show_as_yaml_is_a_settings_file(path: Path, tmp_path: Path) -> None:
    for arguments in ((), ("--changed",)):
        shown = run("show", "--config", path, "--output", "yaml", *arguments).stdout
        assert "hunter2" not in shown
        assert "aaaa" not in shown
        again = tmp_path / "again.yaml"
        again.write_text(shown.replace('hash: "***"', f"hash: sha256:{'a' * 64}").replace('"***"', "hunter2"))
        assert load_gateway({}, path=again).settings == load_gateway({}, path=path).settings
    assert shown.splitlines()[:3] == ["edge:", f"  # {path}:1; takes effect on restart", "  tls_min_version: 1.3"]


def test_show_with_origins_goes_down_to_the_keys_of_tables(path: Path) -> None:
    result = run("show", "--config", path, "--origin", "--changed", PENSTOCK_REGIONS_NEIGHBOURS="{local: [eu]}")
    assert result.exit_code == 0
    assert [line.split("  ")[0] + " " + line.split()[-1] for line in result.stdout.splitlines()] == [
        f"edge.tls_min_version {path}:1",
        f"edge.deadline {path}:1",
        f"services.token {path}:4",
        f"services.allow {path}:3",
        "regions.neighbours.local PENSTOCK_REGIONS_NEIGHBOURS.local",
        f"identity.api_keys[0].principal {path}:7",
        f"identity.api_keys[0].hash {path}:7",
        f"rules[0].name {path}:9",
        f"rules[0].service {path}:10",
        f"rules[0].rate_limits {path}:11",
        f"rules[0].split.weights.1.x {path}:13",
        f"rules[0].split.weights.^2 {path}:13",
        f"rules[1].name {path}:14",
        f"rules[1].deadline {path}:15",
    ]
    listed = json.loads(run("show", "--config", path, "--origin", "--output", "json").stdout)
    assert {"name": "rules[1].deadline", "value": "2s", "origin": f"{path}:15"} in listed
    assert {"name": "edge.listen", "value": "127.0.0.1:8080", "origin": "default"} in listed


@pytest.mark.parametrize("arguments", [(), ("--origin",)])
def test_show_says_that_nothing_was_changed(arguments: tuple[str, ...]) -> None:
    result = run("show", "--changed", *arguments)
    assert (result.exit_code, result.stdout) == (0, "every setting has its default\n")


def test_show_puts_a_value_that_is_too_long_below_its_setting() -> None:
    issuer = "{name: login, issuer: https://login.example, audience: [shop], algorithms: [ES256], jwks: keys.json}"
    result = run("show", "--changed", PENSTOCK_IDENTITY_ISSUERS=f"[{issuer}]", PENSTOCK_EDGE_DEADLINE="5s")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["edge.deadline", "5s", "PENSTOCK_EDGE_DEADLINE"]
    assert "identity.issuers (below) PENSTOCK_IDENTITY_ISSUERS" in [" ".join(line.split()) for line in lines]
    assert f"= [{issuer}]" in " ".join(result.stdout.split())
    assert max(map(len, lines)) <= 80


def test_show_says_when_a_change_takes_effect() -> None:
    rows = {row["name"]: row["applies"] for row in json.loads(run("show", "--output", "json").stdout)}
    assert (rows["edge.listen"], rows["edge.deadline"], rows["rules"]) == ("restart", "reload", "reload")
    assert "takes effect on restart" in run("show").stdout


# ---- env ----


def test_env_is_read_as_the_same_settings(path: Path) -> None:
    text = run("env", "--config", path).stdout
    variables = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            ((name, value),) = [word.split("=", 1) for word in shlex.split(line)]
            variables[name] = value
    assert set(variables) == {
        "PENSTOCK_EDGE_DEADLINE",
        "PENSTOCK_EDGE_TLS_MIN_VERSION",
        "PENSTOCK_SERVICES_ALLOW",
        "PENSTOCK_RULES",
    }
    wanted, got = (load_gateway(*given) for given in (({},), (variables,)))
    from_file = load_gateway({}, path=path)
    assert got.settings.rules == from_file.settings.rules
    assert got.settings.services.allow == from_file.settings.services.allow
    assert got.settings.edge == from_file.settings.edge
    assert wanted.settings.edge != got.settings.edge


def test_env_shows_no_secret(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "the secret"
    secret.write_text("sesame")
    text = run("env", "--config", path, PENSTOCK_ADMIN_TOKEN_FILE=str(secret)).stdout
    assert f"# PENSTOCK_SERVICES_TOKEN is set ({path}:4), and not shown" in text.splitlines()
    assert f"PENSTOCK_ADMIN_TOKEN_FILE='{secret}'" in text.splitlines()
    assert f"# PENSTOCK_IDENTITY_API_KEYS is set ({path}:6); it has secrets in it, which are not shown" in text
    assert not re.search("hunter2|sesame|aaaa", text)


def test_env_has_every_variable() -> None:
    text = run("env").stdout
    for setting in gateway_registry():
        assert f"# {setting.variable}=" in text


# ---- schema ----


def mistakes(schema: dict[str, Any], value: Any, path: str = "") -> list[str]:
    """Hold a value against a schema, as far as ours use the language."""
    if "anyOf" in schema:
        tried = [mistakes(one, value, path) for one in schema["anyOf"]]
        return [] if [] in tried else tried[0]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{path} {value!r}"]
    names = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    name = "null" if value is None else names[type(value)]
    if kinds and name not in kinds and not (name == "integer" and "number" in kinds):
        return [f"{path} {value!r} is {name}"]
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        found = [f"{path} lacks {key}" for key in schema.get("required", []) if key not in value]
        for key, inner in value.items():
            if key not in known and others is False:
                found.append(f"{path}.{key}")
            else:
                found += mistakes(known.get(key, others), inner, f"{path}.{key}")
        return found
    if isinstance(value, list):
        return [
            each for index, item in enumerate(value) for each in mistakes(schema["items"], item, f"{path}[{index}]")
        ]
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return [f"{path} {value!r}"]
    return []


SCHEMA = json.loads(run("schema").stdout)


def test_the_schema_takes_what_is_right(path: Path, tmp_path: Path) -> None:
    assert mistakes(SCHEMA, yaml.safe_load(path.read_text())) == []
    assert mistakes(SCHEMA, yaml.safe_load("edge:\nroutes: {max: 10}\nedge: {reason_header: true}\n")) == []
    start = tmp_path / "penstock.yaml"
    run("init", start)
    assert mistakes(SCHEMA, yaml.safe_load(start.read_text())) == []
    everything = run("show", "--output", "yaml").stdout
    given = {
        section: {key: value for key, value in keys.items() if value not in (None, "", "none")}
        for section, keys in yaml.safe_load(everything).items()
        if isinstance(keys, dict)
    }
    assert mistakes(SCHEMA, given) == []


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("egde: {}", ".egde"),
        ("edge: {deadlin: 5s}", ".edge.deadlin"),
        ("edge: {deadline: 5}", ".edge.deadline 5 is integer"),
        ("edge: {deadline: 5 sec}", ".edge.deadline '5 sec'"),
        ("edge: {reason_header: maybe}", ".edge.reason_header 'maybe'"),
        ("edge: {parsing: lax}", ".edge.parsing 'lax'"),
        ("routes: {max: many}", ".routes.max 'many'"),
        ("rules: {}", ".rules {} is object"),
        ("rules: [{nam: a}]", ".rules[0].nam"),
        ("rules: [{split: {weights: {a: [1]}}}]", ".rules[0].split.weights.a [1] is array"),
        ("rules: [{mirror: {percent: 1}}]", ".rules[0].mirror lacks version"),
        ("rules: [{access: open}]", ".rules[0].access 'open'"),
    ],
)
def test_the_schema_marks_mistakes(text: str, mistake: str) -> None:
    assert mistakes(SCHEMA, yaml.safe_load(text)) == [mistake]


def test_the_schema_says_what_settings_are() -> None:
    listen = SCHEMA["properties"]["edge"]["properties"]["listen"]["description"]
    assert listen == (
        "Where clients come in. Default: 127.0.0.1:8080, since only this machine, until somebody decides otherwise."
        " Takes effect on restart."
    )
    assert "token_file" in SCHEMA["properties"]["admin"]["properties"]


# ---- diff ----


def test_diff_by_meaning(path: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(
        "# moved, and written otherwise\n"
        + YAML.replace("deadline: 5s", "deadline: 5000ms, listen: '0.0.0.0:80'")
        .replace("hunter2", "hunter3")
        .replace("1.x: 90", "1.x: 80%")
        .replace('"^2": 10', '"^2": 20')
        .replace("  - name: b\n    deadline: 2s", "  - name: c\n    deadline: 2s")
    )
    result = run("diff", new, "--config", path)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.splitlines() == [
        "edge.listen: 127.0.0.1:8080 -> 0.0.0.0:80; takes effect on restart",
        "services.token: *** -> ***",
        "rules[a].split.weights.1.x: 90% -> 80%",
        "rules[a].split.weights.^2: 10% -> 20%",
        "rules[b] is gone: {name: b, deadline: 2s}",
        "rules[c] is new: {name: c, deadline: 2s}",
    ]
    listed = json.loads(run("diff", new, "--config", path, "--output", "json").stdout)
    assert listed[0] == {
        "setting": "edge.listen",
        "name": "edge.listen",
        "before": "127.0.0.1:8080",
        "after": "0.0.0.0:80",
        "needs_restart": True,
    }


def test_diff_tells_the_order_of_rules(path: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text("rules: [{name: b, deadline: 1s}, {name: a, deadline: 1s}, {deadline: 2s}]\n")
    path.write_text("rules: [{name: a, deadline: 1s}, {name: b, deadline: 1s}, {deadline: 3s}]\n")
    assert run("diff", new, "--config", path).stdout.splitlines() == [
        "rules[2].deadline: 3s -> 2s",
        "rules order: a, b, 2 -> b, a, 2",
    ]


def test_diff_of_the_same(path: Path) -> None:
    result = run("diff", path, "--config", path)
    assert (result.exit_code, result.stdout) == (0, "nothing differs\n")
    assert run("diff", path, "--config", path, "--output", "json").stdout == "[]\n"


def test_diff_against_the_defaults(tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text("log: {level: debug}\n")
    assert run("diff", new).stdout == "log.level: info -> debug\n"


# ---- init ----


def test_init_writes_a_file_that_is_right(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    result = run("init", path)
    assert (result.exit_code, result.stdout) == (0, f"wrote {path}; check it with: penstock check --config {path}\n")
    assert load_gateway({}, path=path).settings == load_gateway({}).settings
    assert run("check", "--config", path).stdout == "the settings are right\n"


def test_every_comment_of_the_file_is_right_as_a_setting(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    run("init", path)
    lines = path.read_text().splitlines()[4:]
    lines = [re.sub(r"^(\s*)# (?=(\s|- )*[a-z_]+:)", r"\1", line) for line in lines]
    lines = [
        re.sub(
            r'(?<=: )("")?\s*(\{\})?\s*# example: ([\[{/0-9][^#]*?)(, (which|the|who|services|without|before).*)?$',
            r"\3",
            line,
        )
        for line in lines
    ]
    path.write_text("\n".join(lines) + "\n")
    registry = gateway_registry()
    assert "identity.issuers" in registry
    from penstock.settings.file import read_settings_file

    file = read_settings_file(path, registry)
    assert file.problems == ()
    for name in ("rules", "identity.issuers", "services.calls", "rates.admit", "regions.neighbours", "services.allow"):
        registry[name].parse(file.values[name].raw)
        assert registry[name].parse(file.values[name].raw), name


def test_init_leaves_a_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text("mine")
    result = run("init", path)
    assert result.exit_code == 1
    assert result.stderr == f"penstock: error: {path} is there already, and is left as it is: name another file\n"
    assert path.read_text() == "mine"
    result = run("init", tmp_path / "none" / "p.yaml")
    assert (result.exit_code, result.stderr.endswith("cannot be written: No such file or directory\n")) == (1, True)


# ---- check ----


def test_check_opens_files(tmp_path: Path) -> None:
    path, keys, certificate, placement = (tmp_path / name for name in ("p.yaml", "jwks.json", "cert.pem", "map.yaml"))
    keys.write_text("{}")
    certificate.write_text("no certificate")
    placement.write_text("kind: aggregate_placement\nrevision: x\n")
    issuer = f"{{name: a, issuer: i, audience: [p], algorithms: [RS256], jwks: {keys}}}"
    path.write_text(
        f"identity: {{issuers: [{issuer}]}}\nedge: {{tls_listen: '127.0.0.1:0', tls_certificates: [{certificate}]}}\n"
        f"placement: {{maps: [{placement}]}}\n"
    )
    result = run("check", "--config", path)
    assert result.exit_code == 2
    for file in (keys, certificate, placement):
        assert str(file) in result.stderr


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("none/keys.db", "there is no folder {0}/none; make it, or name a file in a folder that is there"),
        ("", "{0} is a folder; name a file in it"),
    ],
)
def test_check_looks_where_answers_are_to_be_kept(tmp_path: Path, file: str, why: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(f"idempotency: {{store: sqlite, file: '{tmp_path / file}'}}\n")
    result = run("check", "--config", path)
    told = f"penstock: error: unusable_file: idempotency.file ({path}:1): {why.format(tmp_path)}\n"
    assert (result.exit_code, result.stderr) == (2, told)


def test_check_makes_no_file_for_answers(tmp_path: Path) -> None:
    path, file = tmp_path / "p.yaml", tmp_path / "keys.db"
    path.write_text(f"idempotency: {{store: sqlite, file: '{file}'}}\n")
    assert run("check", "--config", path).exit_code == 0
    assert not file.exists()


def test_check_holds_rules_against_placement_maps(tmp_path: Path) -> None:
    path, placement = tmp_path / "p.yaml", tmp_path / "map.yaml"
    placement.write_text("kind: aggregate_placement\nrevision: 1\nshards: {one: [a]}\ntenants: {}\ndefault: one\n")
    path.write_text(f"placement: {{maps: [{placement}]}}\nrules:\n  - placement: runner_placement\n")
    result = run("check", "--config", path)
    assert result.exit_code == 2
    assert result.stderr == (
        f"penstock: error: unknown_placement: rules[0].placement ({path}:3): there is no map of the kind"
        " 'runner_placement' among those of placement.maps: aggregate_placement; correct the name, or name the map's"
        " file in placement.maps\n"
    )
