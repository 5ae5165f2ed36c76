"""Legs of a request: who is asked, what, as whom; and who cannot be asked."""

import random
from typing import Any, cast

import pytest
from request_fields import Fields

from frames.fields import decode_fields, encode_block
from frames.frame import FieldId, Method
from frames.limits import FIELD_ENTRY_BYTES
from frames.wire_values import ForwardedFields, RequestHead
from proxy.breaker_state import Probe, Recovering
from proxy.errors import BODY_TOO_LARGE, FORBIDDEN, NO_INSTANCE, NO_ROUTE, TOO_MANY_FIELDS
from proxy.fanout.asking import Leg, Question
from proxy.fanout.legs import LegMaker
from proxy.fanout.plan import ALL, Combine, FanOutPlan, LegPlan
from proxy.request.caller import Caller
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.offer import Offer
from proxy.request.route_policy import RoutePolicy
from proxy.request.snapshot import Limits, Snapshot
from proxy.request.stage import Answer
from proxy.route.table import Route, RouteTable
from proxy.targets.instance import Instance

REQUEST_ID = b"0af7651916cd43dd8448eb211c80319c"


def offer(name: str, connection: int) -> Offer:
    return Offer(
        slot=connection,
        connection=connection,
        endpoint_id=7,
        deadline_ms=None,
        idempotent=False,
        streams=False,
        instance=Instance("billing", name, connection, 0.0),
        gauge=connection + 100,
    )


OFFERS = tuple(offer(f"b-{number}", number) for number in range(1, 5))


def block(**fields: str) -> ForwardedFields:
    table, text = encode_block([(FieldId.NAMED, name.replace("_", "-").encode(), b"x") for name in fields])
    return ForwardedFields(len(fields), table + text)


class Wire:
    """One request, of this batch."""

    def __init__(self, fields: ForwardedFields, body: bytes = b"body") -> None:
        self.fields, self.body = fields, body

    def request_head(self, exchange: int) -> RequestHead:
        return RequestHead(0, 0, b"/dash/u7?a=1", len(b"/dash/u7"), 0)

    def request_fields(self, exchange: int) -> ForwardedFields:
        return self.fields

    def request_body(self, exchange: int) -> bytes:
        return self.body


class Lab:
    def __init__(self, *legs: LegPlan, fields: ForwardedFields | None = None, **plan: Any) -> None:
        self.route = Route(3, Method.GET, "/due/{user}", OFFERS, 250, service="billing")
        self.table: RouteTable | None = RouteTable([self.route])
        self.answer: Answer | None = None
        self.unreachable: set[int] = set()
        self.plan = FanOutPlan(name="f", service="web", method=Method.GET, path="/dash/{user}", legs=legs, **plan)
        self.exchange = Exchange(Fields({}), Snapshot(RouteTable(), Limits()))
        self.exchange.begin(5, Method.HEAD, 0, b"/dash/u7", self.exchange.snapshot)
        self.exchange.caller, self.exchange.deadline_ms = Caller(tenant=b"acme", wire=cast("Any", "ann")), 9_000
        self.chosen: list[Exchange] = []
        self.maker = LegMaker(
            Wire(fields or block(host="", accept="")),
            table_of=lambda service, _: self.table if service == "billing" else None,
            choose=self._choose,
            context_of=lambda exchange: ((FieldId.REQUEST_ID, REQUEST_ID),),
            connect=lambda offer: 0 if offer.connection in self.unreachable else offer.connection,
            rand=random.Random(1),
        )

    def _choose(self, exchange: Exchange) -> Answer | None:
        self.chosen.append(exchange)
        exchange.offer = exchange.offers[0]
        return self.answer

    def legs(self) -> list[Leg]:
        asked = self.maker.asked_for(self.exchange, self.plan)
        assert not isinstance(asked, Answer)
        return self.maker.legs(self.exchange, self.plan, *asked)

    def question(self) -> Question:
        (leg,) = self.legs()
        assert isinstance(leg.what, Question)
        return leg.what

    def reason(self) -> Any:
        (leg,) = self.legs()
        assert not isinstance(leg.what, Question)
        return leg.what.reason


ONE = LegPlan(name="due", service="billing", path="/due/{user}")
EVERY = LegPlan(name="due", service="billing", path="/due/{user}", instances=ALL)


def test_a_leg_is_asked_as_the_client_asked() -> None:
    lab = Lab(ONE)
    place, outgoing = lab.question()
    assert (place.connection, place.endpoint, place.route, place.gauge) == (1, 7, 3, 101)
    assert (outgoing.method, outgoing.target, outgoing.body) == (Method.GET, b"/due/u7?a=1", b"body")
    assert (outgoing.identity, outgoing.deadline_ms) == ("ann", 250)
    context = dict(outgoing.context)
    assert context[FieldId.REQUEST_ID] == REQUEST_ID
    assert context[FieldId.TRACE][:16] == bytes.fromhex(REQUEST_ID.decode())
    (chosen,) = lab.chosen
    assert (chosen.id, chosen.route, chosen.path, chosen.deadline_ms) == (0, lab.route, b"/due/u7", 9_000)
    assert chosen.caller is lab.exchange.caller


@pytest.mark.parametrize(("combine", "kept"), [(Combine.MERGE, {b"host"}), (Combine.FIRST, {b"host", b"range"})])
def test_parts_of_a_merged_answer_are_asked_for_whole(combine: Combine, kept: set[bytes]) -> None:
    lab = Lab(ONE, fields=block(host="", range=""), combine=combine)
    fields = lab.question().outgoing.fields
    decoded = decode_fields(fields.block, 0, fields.count, FIELD_ENTRY_BYTES * fields.count)
    assert {name for _, name, _ in decoded} == kept


def test_every_instance_or_some_of_them() -> None:
    assert [leg.name.instance for leg in Lab(EVERY).legs()] == ["b-1", "b-2", "b-3", "b-4"]
    some = LegPlan(name="due", service="billing", path="/due/{user}", instances=2)
    found = [leg.name.instance for leg in Lab(some).legs()]
    assert len(found) == 2
    assert found == sorted(found)
    more = LegPlan(name="due", service="billing", path="/due/{user}", instances=6)
    legs = Lab(more).legs()
    assert [isinstance(leg.what, Question) for leg in legs] == [True] * 4 + [False] * 2
    assert [leg.what for leg in legs[4:]] == [Answer(NO_INSTANCE)] * 2


def test_one_that_is_probed_is_asked_beside_all_others() -> None:
    lab = Lab(EVERY)
    lab.route.offers = Probe(OFFERS[3], Recovering(OFFERS[:3], probing=(OFFERS[3],)))
    assert [leg.name.instance for leg in lab.legs()] == ["b-1", "b-2", "b-3", "b-4"]
    lab.route.offers = Probe(OFFERS[0], Recovering(OFFERS[:2], probing=(OFFERS[0],), is_panic=True))
    assert [leg.name.instance for leg in lab.legs()] == ["b-1", "b-2"]


def test_one_without_a_connection_now_cannot_be_asked() -> None:
    lab = Lab(EVERY)
    lab.unreachable = {2}
    assert [isinstance(leg.what, Question) for leg in lab.legs()] == [True, False, True, True]


def test_who_may_not_ask_does_not() -> None:
    lab = Lab(ONE)
    lab.answer = Answer(FORBIDDEN)
    assert lab.reason() is FORBIDDEN


def test_a_service_or_a_path_that_is_not_there() -> None:
    assert Lab(LegPlan(name="no", service="other")).reason() is NO_INSTANCE
    assert Lab(LegPlan(name="no", service="billing", path="/no")).reason() is NO_ROUTE
    lab = Lab(LegPlan(name="no", service="billing", path="/no"))
    lab.route.fanout, lab.route.offers = lab.plan, ()
    assert lab.reason() is NO_INSTANCE


def test_a_body_that_is_too_long_for_one_of_them() -> None:
    lab = Lab(ONE)
    lab.route.policy = RoutePolicy(body_bytes=3)
    assert lab.reason() is BODY_TOO_LARGE


def test_no_more_fields_than_a_frame_carries() -> None:
    lab = Lab(ONE, fields=block(**{f"x{number}": "" for number in range(118)}))
    assert lab.maker.asked_for(lab.exchange, lab.plan) == Answer(TOO_MANY_FIELDS)


def test_an_unusual_target_is_taken_in_its_one_form() -> None:
    lab = Lab(ONE, fields=block(host="", accept=""))
    lab.exchange.flags |= NEEDS_TASK
    lab.exchange.target, lab.exchange.authority = b"/dash/u7?b=2", b"other:80"
    outgoing = lab.question().outgoing
    assert outgoing.target == b"/due/u7?b=2"
    decoded = decode_fields(outgoing.fields.block, 0, 2, FIELD_ENTRY_BYTES * 2)
    assert {name: value for _, name, value in decoded} == {b"host": b"other:80", b"accept": b"x"}
