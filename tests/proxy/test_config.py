"""The gateway's settings: defaults as designed, checks over several of them, and an up-to-date reference page."""

from pathlib import Path

import pytest

from penstock.settings import SettingsError, service_registry
from penstock.settings.explain import as_json, as_text, rows
from penstock.settings.service import GATEWAY_SECTIONS
from proxy.cli.config import settings_page
from proxy.config import SERVICE_VARIABLES, gateway_registry, load_gateway

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


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
