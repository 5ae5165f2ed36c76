"""Judging: which failed requests are sent again, after how long, and why the others are not."""

import random
from typing import Any

import pytest

from frames.fields import encode_block
from frames.frame import CancelReason, FieldId, Method
from frames.wire_values import SendHow
from proxy.attempts.backoff import PUSHBACK_MS_MAX, backoff_ms, pushback_ms
from proxy.attempts.judging import DETAILS, LIMITS, Request, Why, judge
from proxy.attempts.profiles import BUILT_IN, MUTATION, NO_PLAN, NONE, READ, Plan, Profile, Repeats, plan_of
from proxy.errors import (
    BAD_RESPONSE,
    DEADLINE,
    SERVICE_DRAINING,
    SERVICE_ENDPOINT_UNKNOWN,
    SERVICE_FEATURE_UNSUPPORTED,
    SERVICE_LOST,
    SERVICE_OVERLOADED,
    Reason,
)
from proxy.request.failure import Failure, FailureKind
from proxy.request.stage import Answer

LOST = Failure(FailureKind.LOST, Answer(SERVICE_LOST))
UNSENT = LOST._replace(is_started=False)
REFUSED = Failure(FailureKind.REFUSED, Answer(SERVICE_OVERLOADED), is_started=False)
DRAINING = REFUSED._replace(answer=Answer(SERVICE_DRAINING))
SLOW = Failure(FailureKind.SLOW, Answer(DEADLINE), cancel=CancelReason.DEADLINE)
ANSWERED = Failure(FailureKind.ANSWERED, Answer(BAD_RESPONSE), status=503, payload=b"x")
BAD = Failure(FailureKind.BAD, Answer(BAD_RESPONSE), cancel=CancelReason.BAD_RESPONSE)
STARTED = (LOST, SLOW, ANSWERED, BAD)
NOT_STARTED = (UNSENT, REFUSED, DRAINING)

READS = plan_of(Method.GET, is_idempotent=False)
WRITES = plan_of(Method.POST, is_idempotent=False)
KEYED = plan_of(Method.POST, is_idempotent=True)


def longest() -> float:
    return 0.999999


def request(plan: Plan = READS, **known: Any) -> Request:
    return Request(plan, **{"remaining_ms": 10_000, **known})


# ---- what a route has ----


@pytest.mark.parametrize("method", Method)
def test_by_default_methods_that_only_ask_are_read_and_others_are_mutations(method: Method) -> None:
    is_safe = method in (Method.GET, Method.HEAD, Method.OPTIONS)
    for is_idempotent in (False, True):
        plan = plan_of(method, is_idempotent=is_idempotent)
        assert plan.profile is (READ if is_safe else MUTATION)
        assert plan.repeats is is_safe
        assert plan.repeats_with_key is (is_idempotent and not is_safe)
        assert plan.profile.attempts == 3


@pytest.mark.parametrize(
    ("name", "method", "is_idempotent", "repeats", "with_key"),
    [
        ("read", Method.POST, False, False, False),  # a rule for all methods makes no POST safe
        ("read", Method.POST, True, False, True),
        ("read", Method.GET, False, True, False),
        ("mutation", Method.GET, False, False, False),
        ("mutation", Method.GET, True, False, True),
        ("declared", Method.PUT, False, False, False),
        ("declared", Method.PUT, True, True, False),
        ("declared", Method.GET, False, True, False),
    ],
)
def test_a_profile_says_what_may_be_repeated(
    name: str, method: Method, is_idempotent: bool, repeats: bool, with_key: bool
) -> None:
    profiles = {**BUILT_IN, "declared": Profile(name="declared", repeats=Repeats.DECLARED)}
    plan = plan_of(method, is_idempotent=is_idempotent, name=name, profiles=profiles)
    assert (plan.profile.name, plan.repeats, plan.repeats_with_key) == (name, repeats, with_key)


def test_how_the_first_attempt_is_sent() -> None:
    assert READS.how == SendHow.KEEP | SendHow.HOLD
    assert KEYED.how == SendHow.KEEP | SendHow.HOLD
    assert WRITES.how == SendHow.KEEP  # its answer is final, so it need not be held
    assert NO_PLAN.how == 0
    assert Plan(Profile(name="x", statuses=frozenset()), repeats=True).how == SendHow.KEEP


def test_only_what_may_be_repeated_has_a_time_for_each_attempt() -> None:
    slow = Profile(name="x", attempt_ms=200)
    assert Plan(slow, repeats=True).attempt_ms == 200
    assert Plan(slow).attempt_ms == 0
    assert Plan(Profile(name="x", attempt_ms=200, attempts=1), repeats=True).attempt_ms == 0


def test_a_profile_that_is_not_there_sends_nothing_again() -> None:
    assert plan_of(Method.GET, is_idempotent=True, name="gone").profile is NONE


# ---- which requests ----


@pytest.mark.parametrize("failure", [*STARTED, *NOT_STARTED], ids=lambda failure: failure.kind.value)
def test_what_only_asks_is_sent_again_whatever_happened(failure: Failure) -> None:
    assert isinstance(judge(failure, request(has_other=True), longest), int)


@pytest.mark.parametrize("reason", [SERVICE_ENDPOINT_UNKNOWN, SERVICE_FEATURE_UNSUPPORTED, BAD_RESPONSE])
def test_what_an_instance_would_do_again_is_tried_elsewhere_only(reason: Reason) -> None:
    failure = BAD if reason is BAD_RESPONSE else REFUSED._replace(answer=Answer(reason))
    assert judge(failure, request(), longest) is Why.FINAL
    assert isinstance(judge(failure, request(has_other=True), longest), int)


@pytest.mark.parametrize("plan", [WRITES, KEYED], ids=["plain", "endpoint declares"])
@pytest.mark.parametrize("failure", STARTED, ids=lambda failure: failure.kind.value)
def test_a_mutation_that_may_have_been_started_is_not_sent_again(failure: Failure, plan: Plan) -> None:
    assert judge(failure, request(plan), longest) is Why.FINAL


@pytest.mark.parametrize("failure", NOT_STARTED, ids=lambda failure: failure.kind.value)
def test_a_mutation_that_was_not_started_is_sent_again(failure: Failure) -> None:
    assert isinstance(judge(failure, request(WRITES), longest), int)


@pytest.mark.parametrize("failure", STARTED, ids=lambda failure: failure.kind.value)
def test_a_key_lets_a_mutation_be_sent_again_where_the_endpoint_says_so(failure: Failure) -> None:
    assert isinstance(judge(failure, request(KEYED, has_key=True, has_other=True), longest), int)
    assert judge(failure, request(WRITES, has_key=True), longest) is Why.FINAL


@pytest.mark.parametrize("status", [429, 500, 501, 502, 503, 504, 511])
def test_answers_are_final_but_for_those_that_the_profile_names(status: int) -> None:
    verdict = judge(ANSWERED._replace(status=status), request(), longest)
    assert isinstance(verdict, int) if status in (502, 503, 504) else verdict is Why.FINAL
    patient = Plan(Profile(name="x", statuses=frozenset((429,))), repeats=True)
    assert isinstance(judge(ANSWERED._replace(status=429), request(patient), longest), int)


def test_limits_each_with_its_name() -> None:
    assert judge(LOST, request(attempt=3), longest) is Why.ATTEMPTS
    assert isinstance(judge(LOST, request(attempt=2), longest), int)
    assert judge(LOST, request(is_kept=False), longest) is Why.BUFFER
    assert judge(LOST, request(is_nested=True), longest) is Why.NESTED
    assert judge(LOST, request(remaining_ms=25), longest) is Why.DEADLINE
    assert judge(LOST, request(remaining_ms=26), longest) == 25
    assert judge(LOST, request(Plan(NONE, repeats=True)), longest) is Why.FINAL
    assert set(LIMITS) == set(Why) - {Why.FINAL}
    assert set(DETAILS) <= set(LIMITS)


# ---- how soon ----


def test_the_wait_is_drawn_from_nothing_to_a_bound_that_doubles() -> None:
    chance = random.Random(1)
    for attempt, bound in ((1, 25), (2, 50), (3, 100), (4, 200), (5, 250), (300, 250)):
        drawn = [backoff_ms(READ, attempt, chance.random) for _ in range(5_000)]
        assert (min(drawn), max(drawn)) == (0, bound)
        assert bound * 0.45 < sum(drawn) / len(drawn) < bound * 0.55


def test_what_costs_nobody_anything_goes_elsewhere_at_once() -> None:
    for failure in (UNSENT, DRAINING):
        assert judge(failure, request(has_other=True), longest) == 0
        assert judge(failure, request(has_other=False), longest) == 25
    for failure in (LOST, REFUSED):
        assert judge(failure, request(has_other=True), longest) == 25


def test_who_has_waited_for_an_attempt_has_waited_enough() -> None:
    assert judge(SLOW, request(), longest) == 0


def test_a_service_that_asks_to_wait_is_heeded() -> None:
    asking = ANSWERED._replace(retry_after_ms=1_000)
    assert judge(asking, request(has_other=True), lambda: 0.0) == 1_000
    assert 1_000 <= judge(asking, request(), longest) <= 1_025  # type: ignore[operator]
    assert judge(asking, request(remaining_ms=1_000), lambda: 0.0) is Why.DEADLINE


def test_an_instance_that_refuses_asks_for_itself() -> None:
    asking = REFUSED._replace(retry_after_ms=1_000)
    assert judge(asking, request(has_other=False), lambda: 0.0) == 1_000
    assert judge(asking, request(has_other=True), longest) == 25
    assert judge(asking, request(has_other=False, remaining_ms=900), longest) is Why.DEADLINE


def response(*fields: tuple[bytes, bytes]) -> bytes:
    table, text = encode_block([(FieldId.NAMED, name, value) for name, value in fields])
    return (503).to_bytes(2) + len(fields).to_bytes(2) + table + text + b"body"


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        (b"0", 0),
        (b"1", 1_000),
        (b"120", 120_000),
        (b"999999999999999999", PUSHBACK_MS_MAX),
        (b"Thu, 01 Jan 1970 00:16:45 GMT", 5_000),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", 0),
        (b"-1", 0),
        (b"1.5", 0),
        (b"soon", 0),
        (b"\xb2", 0),
        (b"", 0),
    ],
)
def test_retry_after(value: bytes, milliseconds: int) -> None:
    payload = response((b"content-type", b"text/plain"), (b"retry-after", value))
    assert pushback_ms(payload, lambda: 1_000.0) == milliseconds


def test_no_retry_after() -> None:
    assert pushback_ms(response(), lambda: 0.0) == 0
