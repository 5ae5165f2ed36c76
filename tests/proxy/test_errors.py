import re
from pathlib import Path

import pytest

from frames.frame import RefusedReason
from proxy import errors
from proxy.errors import REASONS, Fault, Reason, Resend, reason_of_refusal, reason_of_verdict
from proxy.reasons_page import reference_page
from proxy.request.reason_counts import ReasonCounts

ROOT = Path(__file__).parents[2]
MEMBER = re.compile(
    r"^\s*(?P<name>(?:HEAD|EDGE)_[A-Z_]+) = (?P<value>\d+)\b,?[ ]*(?:/\*(?P<comment>.*)\*/)?", re.MULTILINE
)


def verdicts_of(header: str, enum: str) -> list[tuple[str, int, str]]:
    """Name, value and comment of each member of a C enum, as its header declares them."""
    text = (ROOT / "csrc" / header).read_text().split(f"enum {enum} {{", 1)[1].split("};", 1)[0]
    return [(m["name"], int(m["value"]), m["comment"] or "") for m in MEMBER.finditer(text)]


VERDICTS = verdicts_of("http1_head.h", "http1_verdict")
REFUSALS = verdicts_of("wire_values.h", "edge_refusal")


def test_the_headers_were_read() -> None:
    assert ("HEAD_PLAIN", 0) in [verdict[:2] for verdict in VERDICTS]
    assert len(VERDICTS) >= 25
    assert len(REFUSALS) >= 3


UNUSUAL = {
    "HEAD_UNUSUAL_METHOD": errors.METHOD_NOT_IMPLEMENTED,
    "HEAD_UNUSUAL_TARGET": errors.BAD_TARGET,
    "HEAD_UNUSUAL_PATH": errors.BAD_PATH,
    "HEAD_UNUSUAL_VERSION": errors.UNSUPPORTED_VERSION,
    "HEAD_UNUSUAL_ENCODING": errors.ENCODING_NOT_IMPLEMENTED,
    "HEAD_UNUSUAL_EXPECT": errors.BAD_EXPECTATION,
    "HEAD_UNUSUAL_UPGRADE": errors.BAD_CONNECTION,
    "HEAD_UNUSUAL_CONNECTION": errors.BAD_CONNECTION,
    "HEAD_UNUSUAL_BODY": errors.BODY_TOO_LARGE,
}
OTHER_NAMES = {"bad_expect": "bad_expectation", "unknown_encoding": "encoding_not_implemented"}


@pytest.mark.parametrize(("name", "value", "comment"), VERDICTS[1:] + REFUSALS)
def test_every_verdict_of_the_c_side_has_the_reason_of_its_name(name: str, value: int, comment: str) -> None:
    reason = reason_of_verdict(value)
    short = name.split("_", 1)[1].lower()
    assert reason.closes
    if name in UNUSUAL:
        assert reason is UNUSUAL[name]
        return
    assert reason.code in {name.lower(), short, OTHER_NAMES.get(short)}
    named = re.match(r"\s*([45]\d\d)\b", comment)
    assert reason.status == (int(named[1]) if named else reason.status)


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (16, errors.BAD_EXPECTATION),
        (17, errors.BAD_ENCODING),
        (18, errors.ENCODING_NOT_IMPLEMENTED),
        (19, errors.BAD_CONNECTION),
    ],
)
def test_verdicts_on_what_a_head_says_of_body_and_connection(verdict: int, reason: Reason) -> None:
    assert reason_of_verdict(verdict) is reason


@pytest.mark.parametrize("value", [-1, 0, 31, 63, 73, 1 << 16])
def test_a_verdict_that_nobody_knows_is_a_fault_of_ours(value: int) -> None:
    assert reason_of_verdict(value) is errors.INTERNAL


def test_every_refused_reason_of_the_protocol_may_be_sent_elsewhere() -> None:
    reasons = [reason_of_refusal(reason) for reason in RefusedReason]
    assert len(set(reasons)) == len(RefusedReason)
    assert {reason.resend for reason in reasons} == {Resend.YES}
    assert {reason.fault for reason in reasons} == {Fault.SERVICE}


def test_a_refused_reason_that_nobody_knows_is_the_general_case() -> None:
    assert reason_of_refusal(200) is errors.SERVICE_OVERLOADED


@pytest.mark.parametrize("reason", REASONS.values(), ids=REASONS)
def test_form_of_a_reason(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", reason.code)
    assert getattr(errors, reason.code.upper()) is reason
    assert re.fullmatch(r"[A-Z][^\n]*[^.]\.", reason.title)
    assert 400 <= reason.status <= 599
    assert (reason.status >= 500) or reason.fault is Fault.CLIENT
    is_for_later = reason.status in {429, 503} and reason is not errors.FAULT_INJECTED
    assert (is_for_later or reason is errors.IDEMPOTENCY_IN_FLIGHT) == (reason.retry_after_s is not None)
    assert reason.is_answered or reason.closes


def test_there_is_one_constant_for_each_reason() -> None:
    constants = [value for value in vars(errors).values() if isinstance(value, Reason)]
    assert constants == list(REASONS.values())


def test_a_reason_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        errors.NO_ROUTE.status = 200  # type: ignore[misc]


MAY_HAVE_STARTED = (
    errors.SERVICE_LOST,
    errors.BAD_RESPONSE,
    errors.DEADLINE,
    errors.INTERNAL,
    errors.STREAM_IDLE,
    errors.RESPONSE_ABORTED,
)


def test_what_may_have_been_carried_out_is_not_said_to_be_safe() -> None:
    for reason in MAY_HAVE_STARTED:
        assert reason.resend is Resend.IF_NOT_STARTED


def test_reasons_that_are_never_sent() -> None:
    unanswered = [reason.code for reason in REASONS.values() if not reason.is_answered]
    assert unanswered == ["client_gone", "client_too_slow", "response_aborted", "fault_cut"]
    assert "`client_gone`, `client_too_slow`, `response_aborted` and `fault_cut` are counted" in reference_page()


def test_counts_begin_with_every_reason_at_zero() -> None:
    counts = ReasonCounts()
    assert counts == dict.fromkeys(REASONS, 0)
    counts.count(errors.NO_ROUTE)
    counts.count(errors.NO_ROUTE)
    assert counts["no_route"] == 2
    assert sum(counts.values()) == 2


def test_counts_are_kept_by_route_too_until_that_is_another_one() -> None:
    counts = ReasonCounts()
    for route in (3, 3, 4, -1):
        counts.count(errors.NO_INSTANCE, route)
    counts.count(errors.DEADLINE, 3)
    assert counts["no_instance"] == 4
    assert counts.of_route(3) == {"no_instance": 2, "deadline": 1}
    assert counts.of_route(4) == {"no_instance": 1}
    assert counts.of_route(5) == {}
    counts.of_route(4).clear()
    counts.reset_route(3)
    counts.reset_route(5)
    assert (counts.of_route(3), counts.of_route(4)) == ({}, {"no_instance": 1})
    assert counts["no_instance"] == 4


def test_the_reference_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "reasons.md").read_text()
    assert page == reference_page(), "write it anew: PYTHONPATH=src python -m proxy.errors > docs/reasons.md"
