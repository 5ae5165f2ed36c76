"""What the checks find in an installation, certificates, ports, and a gateway that runs."""

import importlib
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from load_support import answering, server

from penstock.settings import Address, Problem, Secret
from proxy import __version__
from proxy.config import GatewayConfig, load_gateway
from proxy.doctor.certificates import judge_certificates
from proxy.doctor.checks import check_all, judge_settings
from proxy.doctor.installed import judge_extension, judge_extras, judge_versions
from proxy.doctor.ports import judge_port
from proxy.doctor.running import Running, ask_running, judge_running
from proxy.doctor.secrets import judge_secrets

NOWHERE = Address("127.0.0.1", 1)


def config(**settings: str) -> GatewayConfig:
    return load_gateway({f"PENSTOCK_{name.upper()}": value for name, value in settings.items()}).settings


def http(body: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


# ---- what is installed ----


def test_versions_are_told() -> None:
    finding = judge_versions()
    assert finding.state == "ok"
    assert finding.what.startswith(f"penstock {__version__}, Python 3.")


def test_a_package_that_is_missing() -> None:
    finding = judge_versions(lambda package: "" if package == "h11" else "1.0")
    assert (finding.state, finding.what) == ("error", "not installed: h11")
    assert finding.fix.endswith("-m pip install h11")


def test_what_only_some_settings_need() -> None:
    issuers = "[{name: a, issuer: 'https://a/', audience: [b], algorithms: [RS256], jwks: 'https://a/jwks'}]"
    with_issuers = config(identity_issuers=issuers)
    assert judge_extras(config(), lambda _: "") == []
    assert judge_extras(with_issuers, lambda _: "1.0") == []
    (finding,) = judge_extras(with_issuers, lambda package: "" if package == "joserfc" else "1.0")
    assert (finding.about, finding.state) == ("identity.issuers", "error")
    assert finding.fix == "pip install 'penstock[identity]'"


def test_the_extension_works_and_is_as_old_as_its_sources(tmp_path: Path) -> None:
    assert judge_extension(tmp_path).state == "ok"
    (tmp_path / "wire.c").touch()
    finding = judge_extension(tmp_path)
    assert (finding.state, finding.what) == ("warning", "_native.abi3.so is older than its sources: wire.c")


def test_an_extension_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_name: str) -> object:
        raise ImportError("undefined symbol: wire_step\nand more")

    monkeypatch.setattr("proxy.doctor.installed.import_module", refuse)
    finding = judge_extension()
    assert (finding.state, finding.what) == ("error", "it cannot be loaded: undefined symbol: wire_step")
    importlib.import_module("frames._native")


# ---- certificates ----


@pytest.mark.parametrize(
    ("days", "state", "said"),
    [
        (90, "ok", "localhost holds until "),
        (5.5, "warning", "in 5 days"),
        (-1.0, "error", "has run out on "),
    ],
)
def test_certificates_by_what_is_left_of_them(days: float, state: str, said: str, tmp_path: Path) -> None:
    ends = datetime.now(UTC) + timedelta(days=days)
    issued = trustme.CA().issue_cert("localhost", not_before=ends - timedelta(days=200), not_after=ends)
    path = tmp_path / "both.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    secured = config(edge_tls_listen="127.0.0.1:0", edge_tls_certificates=f"{path}:{path}")
    (finding,) = judge_certificates(secured)
    assert (finding.about, finding.state) == ("edge.tls_certificates", state)
    assert said in finding.what
    (early,) = judge_certificates(secured, time.time() - 1_000 * 86_400)
    assert (early.state, early.fix) == ("error", "look at this machine's clock")


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nothing")
    (tmp_path / "key.pem").write_text("nothing")
    pair = f"{tmp_path / 'cert.pem'}:{tmp_path / 'key.pem'}"
    (finding, *_) = judge_certificates(config(edge_tls_listen="127.0.0.1:0", edge_tls_certificates=pair))
    assert finding.state == "error"
    assert finding.fix


def test_no_certificates() -> None:
    assert list(judge_certificates(config())) == []


# ---- secrets ----


def test_files_with_secrets_are_not_for_everybody(tmp_path: Path) -> None:
    token, key = tmp_path / "token", tmp_path / "both.pem"
    token.write_text("hunter2")
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(key)
    settings = {"PENSTOCK_ADMIN_TOKEN_FILE": str(token), "PENSTOCK_EDGE_TLS_LISTEN": "127.0.0.1:0"}
    loaded = load_gateway({**settings, "PENSTOCK_EDGE_TLS_CERTIFICATES": f"{key}:{key}"})
    for path, mode in ((token, 0o644), (key, 0o640)):
        path.chmod(mode)
    found = {finding.about: finding for finding in judge_secrets(loaded)}
    assert {about: finding.state for about, finding in found.items()} == {
        "admin.token": "warning",
        "edge.tls_certificates": "ok",
    }
    assert found["admin.token"].fix.startswith(f"chmod o-rw {token}")
    assert "hunter2" not in str(found)
    assert list(judge_secrets(load_gateway({}))) == []


# ---- ports, and who runs ----


def test_ports() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        finding = judge_port("edge.listen", address, is_running=False)
        assert (finding.state, "is in use" in finding.what) == ("error", True)
        assert finding.fix.startswith("stop what uses it")
        assert judge_port("edge.listen", address, is_running=True).state == "ok"
    assert judge_port("edge.listen", address, is_running=False).what == f"{address} is free"
    assert judge_port("edge.listen", address, is_running=True).state == "warning"
    assert judge_port("edge.listen", Address("192.0.2.1", 80), is_running=False).state == "error"


def test_nobody_runs() -> None:
    assert ask_running(NOWHERE, Secret("")) is None
    assert judge_running(None).state == "ok"


@pytest.mark.parametrize("body", ["{}", "[]", "nothing", '{"status": "up"}'])
def test_what_listens_may_be_no_gateway(body: str) -> None:
    with server(answering(http(body))) as port:
        assert ask_running(Address("127.0.0.1", port), Secret("")) is None


def test_a_gateway_that_runs_is_asked() -> None:
    ready = '{"status": "not ready", "reasons": ["no service is connected"]}'
    with server(answering(http(ready, "503 Service Unavailable"))) as port:
        assert ask_running(Address("127.0.0.1", port), Secret("")) == Running(False, ("no service is connected",), "")


@pytest.mark.parametrize(
    ("running", "state", "said"),
    [
        (Running(True, (), __version__), "ok", "is ready"),
        (Running(True, (), ""), "ok", "is ready"),
        (Running(False, ("no billing",), ""), "warning", "is not ready: no billing"),
        (Running(True, (), "0.0.1"), "warning", f"of version 0.0.1 runs, and {__version__} is installed"),
    ],
)
def test_who_runs_is_judged(running: Running, state: str, said: str) -> None:
    finding = judge_running(running)
    assert finding.state == state
    assert said in finding.what


# ---- all of them ----


def test_all_checks_are_told_once() -> None:
    settings = {f"PENSTOCK_{name}_LISTEN": "127.0.0.1:0" for name in ("EDGE", "SERVICES", "ADMIN")}
    findings = list(check_all(load_gateway(settings), []))
    assert [finding.about for finding in findings] == [
        *("versions", "extension", "clock", "clock source", "accept queue", "settings", "workers"),
        *("descriptors", "memory", "edge.listen", "services.listen", "admin.listen", "running"),
    ]
    assert [finding for finding in findings if finding.state == "error"] == []


def test_what_is_wrong_with_settings_is_among_the_findings() -> None:
    wrong = Problem("bad_file", "placement.maps", "penstock.yaml:3", "there is no such file", "name one")
    odd = Problem("unknown_variable", "PENSTOCK_X", "environment", "no setting has it", "drop it")
    error, warning = judge_settings((odd,), [wrong])
    assert (error.about, error.state, error.what) == (
        *("placement.maps", "error"),
        "there is no such file (penstock.yaml:3)",
    )
    assert (warning.about, warning.state, warning.fix) == ("PENSTOCK_X", "warning", "drop it")
