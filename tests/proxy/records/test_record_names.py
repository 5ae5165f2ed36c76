"""What the numbers of a record stand for, and what is shown of a target."""

import pytest
from made_records import names

from frames.frame import Method
from frames.records import AttemptOutcome
from proxy.errors import REASONS
from proxy.records.names import NO_ROUTE, UNKNOWN, InstanceName, RouteName, method_name, outcome_name, reason_code
from proxy.records.target import TARGET_BYTES, shown_target, split_target


def test_a_route_is_called_as_its_service_wrote_it() -> None:
    assert names().route(0) == RouteName("billing", "GET", "/invoices/{invoice_id}")


def test_a_route_that_is_gone_keeps_its_shape() -> None:
    assert names().route(1) == RouteName("gone", "POST", "/old/{}")


@pytest.mark.parametrize("index", [-1, 2, 65_535])
def test_without_a_route_there_is_no_name(index: int) -> None:
    assert names().route(index) is NO_ROUTE


def test_instances_by_their_connections() -> None:
    assert names().instance(4097) == InstanceName("billing", "b-1", "1.4.0")
    assert names().instance(1) is UNKNOWN


def test_every_reason_has_its_number() -> None:
    assert reason_code(0) == ""
    assert [reason_code(number) for number in range(1, len(REASONS) + 1)] == list(REASONS)
    assert reason_code(len(REASONS) + 1) == f"reason_{len(REASONS) + 1}"


def test_every_method_has_its_name() -> None:
    assert [method_name(method.value) for method in Method] == [method.name for method in Method]
    assert method_name(200) == "_OTHER"


def test_every_outcome_has_its_name() -> None:
    assert [outcome_name(outcome) for outcome in AttemptOutcome] == [each.name.lower() for each in AttemptOutcome]
    assert (outcome_name(0), outcome_name(404), outcome_name(99)) == ("open", "404", "open")


SHOWN = {
    "no query": (b"/a/b", "/a/b", "/a/b"),
    "an empty query": (b"/a?", "/a", "/a"),
    "a value": (b"/a?token=secret", "/a?token=*", "/a?token=***"),
    "several": (b"/a?b=1&token=secret&c=", "/a?b=*&token=*&c=*", "/a?b=1&token=***&c="),
    "a value with equals signs": (b"/a?b=c=d==", "/a?b=*", "/a?b=c=d=="),
    "a value with a question mark": (b"/a?b=c?d=e", "/a?b=*", "/a?b=c?d=e"),
    "without a name": (b"/a?secret", "/a?*", "/a?secret"),
    "empty parts": (b"/a?&&b=1&", "/a?b=*", "/a?&&b=1&"),
    "semicolons": (b"/a?b=1;token=secret", "/a?b=*", "/a?b=1;token=***"),
    "a user with a password": (b"http://al:secret@edge/a?b=1", "http://***@edge/a?b=*", "http://***@edge/a?b=1"),
    "bytes that are not ASCII": (b"/a\xff?b=\xff", "/a\\xff?b=*", "/a\\xff?b=\\xff"),
}


@pytest.mark.parametrize(("target", "by_names", "whole"), SHOWN.values(), ids=SHOWN)
def test_a_query_is_shown_as_far_as_is_wanted(target: bytes, by_names: str, whole: str) -> None:
    assert shown_target(target) == by_names
    assert shown_target(target, "none") == by_names.partition("?")[0]
    assert shown_target(target, "whole") == whole.removesuffix("?")


def test_a_target_that_was_cut_says_so() -> None:
    target = b"/" + b"a" * (TARGET_BYTES - 1)
    assert shown_target(target) == target.decode() + "..."
    assert split_target(b"/a?b=" + b"c" * TARGET_BYTES) == ("/a", "b=*")
