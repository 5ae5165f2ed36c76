"""The command as a person meets it: exit codes, one line for each mistake, and nothing imported that is not used."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import proxy.cli.serve
import proxy.process.serving
from penstock.settings import Loaded
from proxy.cli.failures import failures_explained
from proxy.cli.main import COMMANDS, command
from proxy.config import GatewayConfig, gateway_registry
from proxy.edge.listen import open_listener
from proxy.process.serving import command_line, read_command_line


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PENSTOCK_"):
            monkeypatch.delenv(name)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(command, arguments, env=environment)


def test_version() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("penstock 0.")


def test_help_lists_the_commands() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"  {name} " in result.stdout


def test_version_and_help_import_no_more_than_click() -> None:
    heavy = {"trio", "msgspec", "yaml", "cffi", "penstock", "frames", "h11", "proxy.config"}
    program = (
        "import sys; from proxy.cli.main import command; command(sys.argv[1:], standalone_mode=False);"
        f"print(sorted(set(sys.modules) & {heavy}))"
    )
    for argument in ("--version", "--help"):
        said = subprocess.run([sys.executable, "-c", program, argument], capture_output=True, text=True, check=True)
        assert said.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", ["serve", "demo", "check", "config show", "config env", "config check", "config diff"])
def test_every_command_that_has_settings_has_help_with_every_flag(name: str) -> None:
    result = run(*name.split(), "--help")
    assert result.exit_code == 0
    for setting in gateway_registry():
        assert setting.flag in result.stdout


@pytest.mark.parametrize("name", ["reload", "services", "top", "trace", "workers list"])
def test_a_command_that_asks_a_gateway_takes_every_flag_and_tells_of_those_that_find_it(name: str) -> None:
    result = run(*name.split(), "--help", "--edge-deadline", "4s")
    assert result.exit_code == 0
    told = {setting.flag for setting in gateway_registry() if f"{setting.flag} " in result.stdout}
    assert told == {setting.flag for setting in gateway_registry() if setting.name.startswith("admin.")}


def test_an_unknown_command() -> None:
    result = run("sevre")
    assert result.exit_code == 2
    assert "sevre" in result.stderr


def test_config_shows_value_origin_default_and_reason() -> None:
    result = run("config", "--edge-deadline", "4s", PENSTOCK_EDGE_LISTEN="127.0.0.1:1")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split() for line in lines if line.startswith(("edge.listen ", "edge.deadline "))] == [
        ["edge.listen", "127.0.0.1:1", "PENSTOCK_EDGE_LISTEN"],
        ["edge.deadline", "4s", "--edge-deadline"],
    ]
    assert "default 10s" in result.stdout


def test_config_as_json_hides_secrets() -> None:
    result = run("config", "--output", "json", PENSTOCK_SERVICES_TOKEN="hunter2")  # noqa: S106 - a test's own
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert rows["services.token"]["value"] == "***"
    assert rows["services.token"]["origin"] == "PENSTOCK_SERVICES_TOKEN"
    assert "hunter2" not in result.output


def test_check_says_that_all_is_right(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text("edge: {deadline: 3s}\n")
    result = run("check", "--config", str(path))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "the settings are right\n", "")


def test_check_warns_of_a_misspelt_variable() -> None:
    result = run("check", PENSTOCK_EDGE_LISTN="127.0.0.1:1")
    assert result.exit_code == 0
    assert result.stderr == (
        "penstock: warning: unknown_variable: PENSTOCK_EDGE_LISTN (environment): no setting has this variable, "
        "so it has no effect; did you mean PENSTOCK_EDGE_LISTEN?\n"
    )


@pytest.mark.parametrize("name", ["serve", "demo", "check", "config"])
def test_bad_settings_end_with_2_and_a_line_for_each(name: str) -> None:
    result = run(name, "--edge-deadline", "4", PENSTOCK_EDGE_LISTEN="8080")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "penstock: error: bad_value: edge.listen = 8080 (PENSTOCK_EDGE_LISTEN): '8080' has no port from 0 to 65535; "
        "write host:port, like 127.0.0.1:8080",
        "penstock: error: bad_value: edge.deadline = 4 (--edge-deadline): a duration needs a unit; write 4s or 4ms",
    ]


def test_a_missing_file() -> None:
    result = run("serve", "--config", "/nowhere/penstock.yaml")
    assert result.exit_code == 2
    assert result.stderr == (
        "penstock: error: file_missing: settings file (/nowhere/penstock.yaml): there is no such file; "
        "name an existing file by --config\n"
    )


@pytest.mark.parametrize(("workers", "module"), [("0", "proxy.process.serving"), ("2", "proxy.process.supervising")])
def test_serve_becomes_the_process_that_serves_or_supervises(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: str, module: str
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(proxy.cli.serve, "become", became.append)
    path = tmp_path / "a.yaml"
    path.write_text(f"edge: {{idle_timeout: 30s}}\nworkers: {workers}")
    assert run("serve", "--edge-deadline", "4s", "--config", str(path)).exit_code == 0
    (words,) = became
    assert words[:4] == [sys.executable, "-P", "-m", module]
    assert read_command_line(words[4:]) == (path, {"edge.deadline": "4s"})
    assert read_command_line(command_line(None, {})[4:]) == (None, {})


def test_serving_runs_the_gateway_with_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def note(loaded: Loaded[GatewayConfig], load: Callable[[], Loaded[GatewayConfig]], path: Path | None) -> None:
        seen.extend((loaded.settings.edge.deadline_ms, load().settings.edge.deadline_ms))
        assert path is None

    monkeypatch.setattr(proxy.process.serving, "run_gateway", note)
    proxy.process.serving.main(["--edge-deadline", "4s"])
    assert seen == [4000, 4000]


def test_what_serves_has_not_imported_what_reads_command_lines() -> None:
    program = (
        "import sys; import proxy.process.serving; from proxy.process.running import serve;"
        "print(sorted({'click', 'gettext', 'proxy.cli.options'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def ending_of_serving(*words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        proxy.process.serving.main(words)
    return ended.value.code


def test_settings_that_have_become_bad_by_then_are_explained(capfd: pytest.CaptureFixture[str]) -> None:
    assert ending_of_serving("--edge-deadline", "4") == 2
    assert capfd.readouterr().err.startswith("penstock: error: bad_value: edge.deadline = 4 (--edge-deadline)")


def test_a_port_in_use_inside_of_a_nursery_is_explained(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(loaded: Loaded[GatewayConfig], *_: object) -> None:
        try:
            open_listener(loaded.settings.edge.listen, "edge.listen")
        except Exception as error:
            raise ExceptionGroup("nursery", [ExceptionGroup("nursery", [error])]) from None

    monkeypatch.setattr(proxy.process.serving, "run_gateway", refuse)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert ending_of_serving("--edge-listen", f"127.0.0.1:{port}") == 1
    said = capfd.readouterr().err
    assert said.startswith("penstock: error: port_in_use: edge.listen")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (BaseExceptionGroup("nursery", [KeyboardInterrupt()]), 130)]
)
def test_an_interrupt_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def interrupted(*_: object) -> None:
        raise error

    monkeypatch.setattr(proxy.process.serving, "run_gateway", interrupted)
    assert ending_of_serving() == code
    assert capfd.readouterr().err == ""


def test_what_is_unknown_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), failures_explained():
        raise ZeroDivisionError
