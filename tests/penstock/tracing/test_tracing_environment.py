"""What the standard variables say, and that wrong ones are told and ignored."""

import logging

import pytest

from penstock.tracing.environment import BatchLimits, batch_limits, is_disabled, sampled_ratio


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
