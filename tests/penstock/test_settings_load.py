"""Sources in their order, origins, secrets, and all errors at once."""

from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from penstock.settings import (
    Address,
    Found,
    Registry,
    Secret,
    Setting,
    SettingsError,
    SettingsFile,
    load,
    load_service,
    load_service_settings,
    service_registry,
)
from penstock.settings.address import Gateway
from penstock.settings.types import Count, Duration, SecretText


class Inner(msgspec.Struct, frozen=True):
    timeout_ms: Annotated[int, Setting(Duration("ms"), "1s", "a time", "a reason", at_least="10ms", at_most="1m")]
    token: Annotated[Secret, Setting(SecretText(), "", "a secret", "a reason")]


class Outer(msgspec.Struct, frozen=True):
    max: Annotated[int, Setting(Count(), "3", "a count", "a reason")]
    pool: Inner


REGISTRY = Registry(Outer, neighbours=("PENSTOCK_OTHER_",))


def problems(environment: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(REGISTRY, environment)
    return [problem.code for problem in caught.value.problems]


def test_names_come_from_the_fields() -> None:
    assert [(setting.name, setting.variable, setting.flag) for setting in REGISTRY] == [
        ("max", "PENSTOCK_MAX", "--max"),
        ("pool.timeout", "PENSTOCK_POOL_TIMEOUT", "--pool-timeout"),
        ("pool.token", "PENSTOCK_POOL_TOKEN", "--pool-token-file"),
    ]
    assert REGISTRY.sections == ("pool",)


def test_defaults() -> None:
    loaded = load(REGISTRY, {})
    assert loaded.settings == Outer(max=3, pool=Inner(timeout_ms=1000, token=Secret()))
    assert set(loaded.origins.values()) == {"default"}


def test_flag_before_variable_before_file_before_default() -> None:
    file = SettingsFile({"pool.timeout": Found("2s", "f.yaml:2")})
    environment = {"PENSTOCK_POOL_TIMEOUT": "3s"}
    flags = {"pool.timeout": "4s"}
    seen = [
        (loaded.settings.pool.timeout_ms, loaded.origins["pool.timeout"])
        for loaded in (
            load(REGISTRY, {}),
            load(REGISTRY, {}, file=file),
            load(REGISTRY, environment, file=file),
            load(REGISTRY, environment, file=file, flags=flags),
        )
    ]
    assert seen == [(1000, "default"), (2000, "f.yaml:2"), (3000, "PENSTOCK_POOL_TIMEOUT"), (4000, "--pool-timeout")]


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_is_unset(text: str) -> None:
    file = SettingsFile({"pool.timeout": Found("2s", "f.yaml:2")})
    assert load(REGISTRY, {"PENSTOCK_POOL_TIMEOUT": text}, file=file).settings.pool.timeout_ms == 2000


def test_an_empty_value_in_a_file_is_unset() -> None:
    assert load(REGISTRY, {}, file=SettingsFile({"max": Found("", "f:1")})).origins["max"] == "default"


@pytest.mark.parametrize(("text", "why"), [("9ms", "9ms is below 10ms"), ("61s", "61s is above 1m")])
def test_bounds(text: str, why: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(REGISTRY, {"PENSTOCK_POOL_TIMEOUT": text})
    assert caught.value.problems[0].why == why
    assert caught.value.problems[0].fix == "write a value of 10ms to 1m"


@pytest.mark.parametrize("text", ["10ms", "1m"])
def test_bounds_are_inclusive(text: str) -> None:
    load(REGISTRY, {"PENSTOCK_POOL_TIMEOUT": text})


def test_an_error_is_one_line_with_everything() -> None:
    with pytest.raises(SettingsError) as caught:
        load(REGISTRY, {"PENSTOCK_POOL_TIMEOUT": "5"})
    assert str(caught.value) == (
        "bad_value: pool.timeout = 5 (PENSTOCK_POOL_TIMEOUT): a duration needs a unit; write 5s or 5ms"
    )


def test_all_errors_are_told_at_once() -> None:
    assert problems({"PENSTOCK_MAX": "x", "PENSTOCK_POOL_TIMEOUT": "5", "PENSTOCK_POOL_TOKEN_FILE": "/nowhere"}) == [
        "secret_unreadable",
        "bad_value",
        "bad_value",
    ]


def test_a_secret_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("hunter2\n")
    for loaded in (
        load(REGISTRY, {"PENSTOCK_POOL_TOKEN_FILE": str(path)}),
        load(REGISTRY, {}, flags={"pool.token": str(path)}),
        load(REGISTRY, {}, file=SettingsFile({"pool.token_file": Found(str(path), "f.yaml:3")})),
    ):
        assert loaded.settings.pool.token.reveal() == "hunter2"
        assert str(path) in loaded.origins["pool.token"]


def test_secrets_that_cannot_be_had(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert problems({"PENSTOCK_POOL_TOKEN_FILE": str(tmp_path / "none")}) == ["secret_unreadable"]
    assert problems({"PENSTOCK_POOL_TOKEN_FILE": str(tmp_path)}) == ["secret_unreadable"]
    assert problems({"PENSTOCK_POOL_TOKEN_FILE": str(empty)}) == ["secret_empty"]
    assert problems({"PENSTOCK_POOL_TOKEN_FILE": str(empty), "PENSTOCK_POOL_TOKEN": "a"}) == ["secret_twice"]


def test_an_error_does_not_show_a_secret() -> None:
    with pytest.raises(SettingsError) as caught:
        load(REGISTRY, {"PENSTOCK_POOL_TOKEN": "hunter2 with spaces"})
    assert "hunter2" not in str(caught.value)
    assert "***" in str(caught.value)


def test_unknown_variables_are_warnings() -> None:
    environment = {
        "PENSTOCK_POOL_TIMOUT": "1s",
        "PENSTOCK_OTHER_X": "1",
        "PENSTOCK_ZZZ": "1",
        "PENSTOCK_EMPTY": "",
        "OTHER": "1",
    }
    warnings = load(REGISTRY, environment).warnings
    assert [(warning.what, warning.fix) for warning in warnings] == [
        ("PENSTOCK_POOL_TIMOUT", "did you mean PENSTOCK_POOL_TIMEOUT?"),
        ("PENSTOCK_ZZZ", "remove it, or see `penstock config` for what there is"),
    ]


def test_service_settings() -> None:
    settings = load_service_settings(
        {"PENSTOCK_GATEWAYS": "tcp://a:1,tcp://b:2", "PENSTOCK_SERVICE_TOKEN": "t", "PENSTOCK_SERVICE_HEARTBEAT": "1s"}
    )
    assert settings.gateways == (Gateway("a", 1), Gateway("b", 2))
    assert settings.token.reveal() == "t"
    assert (settings.region, settings.instance, settings.heartbeat_ms) == ("local", "", 1000)


def test_a_service_that_listens_dials_nobody_unless_it_is_told_to() -> None:
    assert load_service_settings({}).gateways == (Gateway("127.0.0.1", 7420),)
    listens = {"PENSTOCK_SERVICE_LISTEN": "127.0.0.1:7501"}
    assert load_service_settings(listens).gateways == ()
    assert load_service_settings(listens).listen == Address("127.0.0.1", 7501)
    assert load_service_settings({**listens, "PENSTOCK_GATEWAYS": "none"}).gateways == ()
    assert load_service_settings({**listens, "PENSTOCK_GATEWAYS": "tcp://a:1"}).gateways == (Gateway("a", 1),)


def test_a_service_neither_dials_nor_listens() -> None:
    with pytest.raises(SettingsError) as caught:
        load_service_settings({"PENSTOCK_GATEWAYS": "none"})
    assert str(caught.value) == (
        "conflict: gateways = none (PENSTOCK_GATEWAYS): the service would neither dial a gateway nor listen for one;"
        " name a gateway, or set PENSTOCK_SERVICE_LISTEN"
    )


def test_a_service_does_not_listen_where_strangers_may_dial_unless_it_is_told_to() -> None:
    public = {"PENSTOCK_SERVICE_LISTEN": "0.0.0.0:7501", "PENSTOCK_SERVICE_TOKEN": "s3cret"}
    with pytest.raises(SettingsError) as caught:
        load_service_settings(public)
    assert str(caught.value) == (
        "open_door: service.listen = 0.0.0.0:7501 (PENSTOCK_SERVICE_LISTEN): other machines reach that address, and"
        " nothing proves that it is a gateway that dials; listen on 127.0.0.1, or let the service dial its gateways,"
        " or have them show a certificate (PENSTOCK_SERVICE_LISTEN_CA); where the network lets only gateways in, set"
        " PENSTOCK_SERVICE_LISTEN_INSECURE=true"
    )
    told = load_service_settings({**public, "PENSTOCK_SERVICE_LISTEN_INSECURE": "true"})
    assert told.listen == Address("0.0.0.0", 7501)  # noqa: S104


def test_a_service_overlooks_the_gateways_variables() -> None:
    loaded = load_service(
        {"PENSTOCK_EDGE_LISTEN": "127.0.0.1:1", "PENSTOCK_SERVICES_TOKEN": "x", "PENSTOCK_REGON": "eu"}
    )
    assert [warning.what for warning in loaded.warnings] == ["PENSTOCK_REGON"]


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PENSTOCK_REGION", "eu west"),
        ("PENSTOCK_INSTANCE", "ü"),
        ("PENSTOCK_INSTANCE", "x" * 65),
        ("PENSTOCK_SERVICE_HEARTBEAT", "99ms"),
        ("PENSTOCK_SERVICE_CONCURRENCY", "0"),
        ("PENSTOCK_GATEWAYS", "http://a"),
        ("PENSTOCK_LOG_LEVEL", "loud"),
    ],
)
def test_bad_service_settings(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_service_settings({variable: text})
    assert caught.value.problems[0].where == variable


def test_every_service_setting_is_explained() -> None:
    for setting in service_registry():
        assert setting.what
        assert setting.reason


@pytest.mark.parametrize("value", ["tcp://user:hunter2@edge:1", "http://user:hunter2@edge:1/?a", "user:hunter2@edge"])
def test_a_password_in_an_address_is_not_repeated(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_service({"PENSTOCK_GATEWAYS": value, "PENSTOCK_SERVICE_LISTEN": value})
    text = str(caught.value)
    assert "hunter2" not in text
    assert "***@" in text
