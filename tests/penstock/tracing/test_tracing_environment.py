"""What the standard variables say, and that wrong ones are told and ignored."""

import logging

import pytest

from penstock.tracing.environment import (
    BatchLimits,
    CollectorPlace,
    batch_limits,
    collector_place,
    is_disabled,
    resource_attributes,
    sampled_ratio,
)


def test_without_variables_there_are_defaults() -> None:
    assert batch_limits({}) == BatchLimits(queue_max=2048, batch_max=512, delay_s=1.0)
    assert sampled_ratio({}) is None
    assert not is_disabled({})


@pytest.mark.parametrize(
    ("text", "disabled"), [("true", True), ("TRUE", True), ("false", False), ("1", False), ("", False)]
)
def test_opentelemetry_can_be_switched_off(text: str, disabled: bool) -> None:
    assert is_disabled({"OTEL_SDK_DISABLED": text}) is disabled


def test_limits_of_batches() -> None:
    said = {
        "OTEL_BSP_MAX_QUEUE_SIZE": "100",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": " 10 ",
        "OTEL_BSP_SCHEDULE_DELAY": "250",
    }
    assert batch_limits(said) == BatchLimits(100, 10, 0.25)
    assert batch_limits({**said, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1000"}).batch_max == 100


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "99999999999", "\u0661"])
def test_a_wrong_limit_is_told_and_ignored(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert batch_limits({"OTEL_BSP_MAX_QUEUE_SIZE": text}).queue_max == 2048
    assert "OTEL_BSP_MAX_QUEUE_SIZE" in caplog.text


@pytest.mark.parametrize(
    ("sampler", "argument", "ratio"),
    [
        ("always_on", "0.1", 1.0),
        ("parentbased_always_on", "", 1.0),
        ("always_off", "", 0.0),
        ("parentbased_always_off", "", 0.0),
        ("traceidratio", "0.25", 0.25),
        ("PARENTBASED_TRACEIDRATIO", " 0 ", 0.0),
        ("parentbased_traceidratio", "", 1.0),
    ],
)
def test_samplers(sampler: str, argument: str, ratio: float) -> None:
    assert sampled_ratio({"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}) == ratio


@pytest.mark.parametrize("argument", ["2", "-0.1", "half", "nan", "inf"])
def test_a_wrong_argument_is_told_and_ignored(argument: str, caplog: pytest.LogCaptureFixture) -> None:
    said = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": argument}
    with caplog.at_level(logging.WARNING):
        assert sampled_ratio(said) == 1.0
    assert "OTEL_TRACES_SAMPLER_ARG" in caplog.text


def test_an_unknown_sampler_is_told_and_ignored(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert sampled_ratio({"OTEL_TRACES_SAMPLER": "jaeger_remote"}) is None
    assert "jaeger_remote" in caplog.text


# ---- the collector ----


def test_without_variables_the_collector_is_on_this_machine() -> None:
    assert collector_place({}) == CollectorPlace("http://localhost:4318/v1/traces")


def test_the_variable_for_traces_counts_before_that_for_all() -> None:
    said = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:1/base/",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-api-key=a%20b, second=2",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2.5",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "GZIP",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/client.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/client.key",
    }
    place = collector_place(said)
    assert place == CollectorPlace(
        "http://all:1/base/v1/traces",
        {"x-api-key": "a b", "second": "2"},
        2.5,
        "gzip",
        "/ca.pem",
        "/client.pem",
        "/client.key",
    )
    of_traces = {name.replace("OTLP_", "OTLP_TRACES_"): "" for name in said}
    assert collector_place({**said, **of_traces}) == place
    of_traces |= {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://traces/t", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "1"}
    place = collector_place({**said, **of_traces})
    assert (place.url, place.timeout_s, place.compression) == ("https://traces/t", 1.0, "gzip")
    assert collector_place(said, "http://told/").url == "http://told/"


@pytest.mark.parametrize(
    ("ending", "text", "shown"),
    [
        ("ENDPOINT", "ftp://there", False),
        ("ENDPOINT", "there:4318", False),
        ("ENDPOINT", "http://user:geheim@there:port", False),
        ("HEADERS", "geheim", False),
        ("HEADERS", "=geheim", False),
        ("HEADERS", "x-key=geheim%0d%0aevil: 1", False),
        ("TIMEOUT", "soon", True),
        ("TIMEOUT", "0", True),
        ("TIMEOUT", "nan", True),
        ("COMPRESSION", "zstd", True),
    ],
)
def test_what_cannot_be_used_is_told_and_ignored(
    ending: str, text: str, shown: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert collector_place({f"OTEL_EXPORTER_OTLP_{ending}": text}) == collector_place({})
    assert f"OTEL_EXPORTER_OTLP_{ending}" in caplog.text
    assert (text in caplog.text) is shown
    assert "geheim" not in caplog.text


def test_who_makes_spans() -> None:
    default = {"service_name": "penstock", "service_instance_id": "gw-1"}
    assert resource_attributes({}, **default) == {"service.name": "penstock", "service.instance.id": "gw-1"}
    said = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a,deployment.environment.name=te%2Cst", "OTEL_SERVICE_NAME": "b"}
    assert resource_attributes(said, **default) == {
        "service.name": "b",
        "service.instance.id": "gw-1",
        "deployment.environment.name": "te,st",
    }
