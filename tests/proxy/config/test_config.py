"""The gateway's settings: defaults as designed, checks over several of them, and an up-to-date reference page."""

from pathlib import Path

import pytest

from penstock.settings import SettingsError, service_registry
from penstock.settings.explain import as_json, as_text, rows
from penstock.settings.service import GATEWAY_SECTIONS
from proxy.cli.settings_page import settings_page
from proxy.config import SERVICE_VARIABLES, gateway_registry, load_gateway

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def problems(**environment: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_gateway({f"PENSTOCK_{name}": text for name, text in environment.items()})
    return [f"{problem.code} {problem.what}" for problem in caught.value.problems]


def test_defaults() -> None:
    loaded = load_gateway({})
    config = loaded.settings
    assert [str(each.listen) for each in (config.edge, config.services, config.admin)] == [
        "127.0.0.1:8080",
        "127.0.0.1:7420",
        "127.0.0.1:9901",
    ]
    assert (config.edge.head_bytes, config.edge.head_fields, config.edge.target_bytes) == (16_384, 100, 8192)
    assert (config.edge.deadline_ms, config.edge.deadline_max_ms) == (10_000, 30_000)
    assert config.services.allow == {}
    assert not config.services.token
    assert (config.wire.linger_us, config.edge.idle_jitter, config.edge.reason_header) == (200, 0.1, False)
    assert loaded.warnings == ()


def test_defaults_of_bodies_streams_and_connections() -> None:
    edge, drain = load_gateway({}).settings.edge, load_gateway({}).settings.drain
    assert edge.parsing == "strict"
    assert (edge.body_bytes, edge.buffered_bytes, edge.call_bytes) == (64 << 10, 960 << 10, 1 << 30)
    assert (edge.bytes_in_flight, load_gateway({}).settings.services.credit_bytes) == (1 << 30, 128 << 10)
    assert (edge.connection_bytes, edge.connection_requests, edge.connection_age_ms) == (16 << 30, 10_000, 3_600_000)
    assert (edge.connections_per_address, edge.stream_idle_timeout_ms) == (1024, 300_000)
    assert (edge.trusted_proxies, edge.upgrades) == ((), ("websocket",))
    assert (drain.spread_ms, drain.spread_within_timeout_ms) == (5_000, 5_000)


def test_defaults_of_tls() -> None:
    edge = load_gateway({}).settings.edge
    assert edge.tls_listen is None
    assert edge.tls_client_ca is None
    assert (edge.tls_certificates, edge.tls_client_names, edge.tls_min_version) == ((), (), "1.2")
    assert (edge.tls_handshake_timeout_ms, edge.tls_reload_interval_ms) == (10_000, 5_000)


def test_every_default_is_within_its_bounds_and_is_written_as_it_is_rendered() -> None:
    for registry in (gateway_registry(), service_registry()):
        for setting in registry:
            if setting.default:
                assert setting.kind.render(setting.parse(setting.default)) == setting.default


def test_every_setting_says_what_it_is_and_why() -> None:
    for setting in gateway_registry():
        assert setting.what
        assert setting.reason
        assert not setting.what.endswith(".")


def test_gateway_and_services_know_each_others_variables() -> None:
    own = {setting.name.partition(".")[0] for setting in gateway_registry()}
    assert own == {*GATEWAY_SECTIONS, "log"}
    for variable in service_registry().variables():
        assert variable.startswith((*SERVICE_VARIABLES, "PENSTOCK_LOG_"))
        assert variable.startswith("PENSTOCK_LOG_") or gateway_registry().is_neighbour(variable)
    for variable in gateway_registry().variables():
        assert variable.startswith("PENSTOCK_LOG_") or service_registry().is_neighbour(variable)
    assert not gateway_registry().is_neighbour("PENSTOCK_REGIONS_OWM")


def test_all_of_it_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text("edge: {listen: 0.0.0.0:80}\nservices:\n  allow:\n    billing: [/invoices]\nwire: {linger: 0us}\n")
    loaded = load_gateway({}, path=path)
    assert str(loaded.settings.edge.listen) == "0.0.0.0:80"
    assert loaded.settings.services.allow == {"billing": ("/invoices",)}
    assert loaded.settings.wire.linger_us == 0
    assert loaded.origins["services.allow"] == f"{path}:3"


def test_the_allow_map_from_the_environment() -> None:
    loaded = load_gateway({"PENSTOCK_SERVICES_ALLOW": "billing=/invoices,/bills; orders=/orders"})
    assert loaded.settings.services.allow == {"billing": ("/invoices", "/bills"), "orders": ("/orders",)}


@pytest.mark.parametrize("listen", ["0.0.0.0:7420", "[::]:7420", "10.0.0.1:7420", "gateway:7420"])
def test_services_from_elsewhere_need_a_token(listen: str) -> None:
    assert problems(SERVICES_LISTEN=listen) == ["conflict services.listen"]
    load_gateway({"PENSTOCK_SERVICES_LISTEN": listen, "PENSTOCK_SERVICES_TOKEN": "t"})


@pytest.mark.parametrize("listen", ["127.0.0.2:7420", "[::1]:7420", "localhost:7420"])
def test_services_from_this_machine_need_none(listen: str) -> None:
    load_gateway({"PENSTOCK_SERVICES_LISTEN": listen})


@pytest.mark.parametrize(
    ("edge", "admin", "collide"),
    [
        ("127.0.0.1:1", "127.0.0.1:1", True),
        ("127.0.0.1:1", "localhost:1", True),
        ("0.0.0.0:1", "127.0.0.1:1", True),
        ("127.0.0.1:1", "0.0.0.0:1", True),
        ("127.0.0.1:1", "127.0.0.2:1", False),
        ("127.0.0.1:1", "127.0.0.1:2", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        ("0.0.0.0:1", "[::1]:1", False),
        ("[::]:1", "[::1]:1", True),
    ],
)
def test_listeners_that_collide(edge: str, admin: str, collide: bool) -> None:
    environment = {"PENSTOCK_EDGE_LISTEN": edge, "PENSTOCK_ADMIN_LISTEN": admin}
    if not collide:
        load_gateway(environment)
        return
    with pytest.raises(SettingsError, match=r"conflict: edge.listen .*give one of them another port"):
        load_gateway(environment)


def test_thresholds_must_leave_room_for_heartbeats() -> None:
    assert problems(SERVICES_HEARTBEAT="8s") == ["conflict services.degraded_after"]
    assert problems(SERVICES_HEARTBEAT="5001ms") == ["conflict services.degraded_after"]
    load_gateway({"PENSTOCK_SERVICES_HEARTBEAT": "5s"})


def test_thresholds_must_be_in_order() -> None:
    assert problems(SERVICES_DEGRADED_AFTER="30s") == ["conflict services.unhealthy_after"]
    assert problems(SERVICES_REMOVED_AFTER="30s") == ["conflict services.removed_after"]


def test_a_deadline_fits_under_the_longest() -> None:
    assert problems(EDGE_DEADLINE="31s") == ["conflict edge.deadline"]
    load_gateway({"PENSTOCK_EDGE_DEADLINE": "30s"})


def test_a_target_fits_into_a_head() -> None:
    assert problems(EDGE_HEAD_BYTES="8KiB") == ["conflict edge.target_bytes"]


@pytest.mark.parametrize(
    ("environment", "what"),
    [
        ({"EDGE_BUFFERED_BYTES": "63KiB"}, "edge.body_bytes"),
        ({"EDGE_CALL_BYTES": "959KiB"}, "edge.buffered_bytes"),
        ({"EDGE_BYTES_IN_FLIGHT": "1MiB", "SERVICES_CREDIT_BYTES": "2MiB"}, "services.credit_bytes"),
        ({"DRAIN_SPREAD": "31s"}, "drain.spread"),
        ({"DRAIN_SPREAD": "2s", "DRAIN_TIMEOUT": "1s"}, "drain.spread"),
        ({"BREAKERS_OPEN": "2m"}, "breakers.open"),
        ({"BREAKERS_REQUESTS": "9"}, "breakers.requests_min"),
    ],
)
def test_sizes_and_times_in_order(environment: dict[str, str], what: str) -> None:
    assert problems(**environment) == [f"conflict {what}"]


def test_a_conflict_says_what_where_why_and_the_fix() -> None:
    with pytest.raises(SettingsError) as caught:
        load_gateway({"PENSTOCK_EDGE_CALL_BYTES": "512KiB"})
    assert str(caught.value) == (
        "conflict: edge.buffered_bytes (edge.buffered_bytes: default and edge.call_bytes: PENSTOCK_EDGE_CALL_BYTES): "
        "960KiB is more than edge.call_bytes, 512KiB: an endpoint that streams would take less than one that does not; "
        "lower it, or raise edge.call_bytes"
    )


def test_sizes_at_their_bounds() -> None:
    same = dict.fromkeys(
        ("PENSTOCK_EDGE_BODY_BYTES", "PENSTOCK_EDGE_BUFFERED_BYTES", "PENSTOCK_EDGE_CALL_BYTES"), "1KiB"
    )
    load_gateway(same)
    load_gateway({"PENSTOCK_EDGE_BYTES_IN_FLIGHT": "1MiB", "PENSTOCK_SERVICES_CREDIT_BYTES": "1MiB"})
    none = ("CONNECTION_BYTES=0B", "CONNECTION_REQUESTS=0", "CONNECTION_AGE=0ms", "CONNECTIONS_PER_ADDRESS=0")
    edge = load_gateway(
        {f"PENSTOCK_EDGE_{name}": value for name, value in (each.split("=") for each in none)}
    ).settings.edge
    assert not any(
        (edge.connection_bytes, edge.connection_requests, edge.connection_age_ms, edge.connections_per_address)
    )


def test_a_spread_that_nobody_asked_for_gives_way_to_the_timeout() -> None:
    drain = load_gateway({"PENSTOCK_DRAIN_TIMEOUT": "1s"}).settings.drain
    assert (drain.spread_ms, drain.spread_within_timeout_ms) == (5_000, 1_000)


def test_lists_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text("edge:\n  trusted_proxies: [10.0.0.0/8, '::1']\n  upgrades: []\n")
    edge = load_gateway({}, path=path).settings.edge
    assert [str(network) for network in edge.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert edge.upgrades == ()


@pytest.fixture
def tls_files(tmp_path: Path) -> dict[str, str]:
    """What listens for TLS, as variables."""
    (tmp_path / "cert.pem").touch()
    (tmp_path / "key.pem").touch()
    return {
        "EDGE_TLS_LISTEN": "127.0.0.1:8443",
        "EDGE_TLS_CERTIFICATES": f"{tmp_path}/cert.pem:{tmp_path}/key.pem, {tmp_path}/key.pem",
        "EDGE_TLS_CLIENT_CA": f"{tmp_path}/cert.pem",
        "EDGE_TLS_CLIENT_NAMES": "billing.example, spiffe://example/orders",
    }


def test_tls(tls_files: dict[str, str], tmp_path: Path) -> None:
    edge = load_gateway({f"PENSTOCK_{name}": text for name, text in tls_files.items()}).settings.edge
    assert str(edge.tls_listen) == "127.0.0.1:8443"
    assert [(pair.certificate.name, pair.key.name) for pair in edge.tls_certificates] == [
        ("cert.pem", "key.pem"),
        ("key.pem", "key.pem"),
    ]
    assert edge.tls_client_ca == tmp_path / "cert.pem"
    assert edge.tls_client_names == ("billing.example", "spiffe://example/orders")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"EDGE_TLS_CERTIFICATES": ""}, ["conflict edge.tls_listen"]),
        ({"EDGE_TLS_CLIENT_CA": ""}, ["conflict edge.tls_client_names"]),
        ({"EDGE_TLS_LISTEN": ""}, ["conflict edge.tls_certificates", "conflict edge.tls_client_ca"]),
        ({"EDGE_TLS_CERTIFICATES": "/nowhere.pem"}, ["file_unreadable edge.tls_certificates"]),
        ({"EDGE_TLS_CERTIFICATES": "/nowhere.pem:/nor.pem"}, ["file_unreadable edge.tls_certificates"] * 2),
        ({"EDGE_TLS_CLIENT_CA": "/"}, ["file_unreadable edge.tls_client_ca"]),
        ({"EDGE_TLS_LISTEN": "127.0.0.1:8080"}, ["conflict edge.listen"]),
        ({"EDGE_TLS_LISTEN": "0.0.0.0:9901"}, ["conflict edge.tls_listen"]),
    ],
)
def test_tls_without_what_it_needs(tls_files: dict[str, str], change: dict[str, str], told: list[str]) -> None:
    assert problems(**(tls_files | change)) == told


def test_a_value_that_may_be_missing_does_not_hide_conflicts() -> None:
    assert problems(EDGE_DEADLINE="31s", EDGE_TLS_LISTEN="") == ["conflict edge.deadline"]


def test_conflicts_are_told_together_and_with_unknown_keys(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text("edge: {deadline: 40s, lisen: x}\n")
    with pytest.raises(SettingsError) as caught:
        load_gateway({"PENSTOCK_SERVICES_LISTEN": "0.0.0.0:8080"}, path=path)
    assert [problem.code for problem in caught.value.problems] == ["unknown_key", "conflict", "conflict", "conflict"]
    assert f"edge.deadline: {path}:1" in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("WIRE_LINGER", "6ms"),
        ("EDGE_TARGET_BYTES", "9KiB"),
        ("SERVICES_MAX_CONNECTIONS", "4097"),
        ("ROUTES_MAX", "65537"),
        ("EDGE_IDLE_JITTER", "51%"),
        ("EDGE_REASON_HEADER", "yes"),
        ("SERVICES_OUTPUT_BYTES", "1MiB"),
        ("SERVICES_CREDIT_BYTES", "16KB"),
        ("SERVICES_CREDIT_BYTES", "16383B"),
        ("SERVICES_CREDIT_BYTES", "17MiB"),
        ("EDGE_PARSING", "lenient"),
        ("EDGE_BUFFERED_BYTES", "961KiB"),
        ("EDGE_CALL_BYTES", "1025GiB"),
        ("EDGE_BYTES_IN_FLIGHT", "1023KiB"),
        ("EDGE_CONNECTION_BYTES", "16"),
        ("EDGE_CONNECTION_REQUESTS", "1000000001"),
        ("EDGE_CONNECTION_AGE", "169h"),
        ("EDGE_CONNECTIONS_PER_ADDRESS", "-1"),
        ("EDGE_STREAM_IDLE_TIMEOUT", "0s"),
        ("EDGE_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("EDGE_UPGRADES", "websocket, h2c"),
        ("EDGE_TLS_LISTEN", "8443"),
        ("EDGE_TLS_CERTIFICATES", "a:b:c"),
        ("EDGE_TLS_MIN_VERSION", "1.1"),
        ("EDGE_TLS_CLIENT_NAMES", "*.example"),
        ("EDGE_TLS_HANDSHAKE_TIMEOUT", "0ms"),
        ("EDGE_TLS_RELOAD_INTERVAL", "10ms"),
        ("DRAIN_SPREAD", "2h"),
    ],
)
def test_bounds_of_what_c_and_protocol_can_hold(variable: str, text: str) -> None:
    assert problems(**{variable: text})[0].startswith("bad_value")


def test_explanations_hide_secrets() -> None:
    loaded = load_gateway({"PENSTOCK_SERVICES_TOKEN": "hunter2"})
    shown = rows(gateway_registry(), loaded)
    for text in (as_json(shown), as_text(shown, 80, bold=False), as_text(shown, 20, bold=True), repr(loaded)):
        assert "hunter2" not in text
        assert "***" in text
    assert "services.token" in as_text(shown, 80, bold=False)
    assert len(shown) == len(gateway_registry())


def test_the_reference_page_is_up_to_date() -> None:
    assert PAGE.read_text() == settings_page(), "run: penstock config --output markdown > docs/settings.md"
