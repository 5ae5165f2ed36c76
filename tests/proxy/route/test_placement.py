"""Which instances have a tenant's data, as a stage."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from route_support import begun, names, offer, route, versions

from proxy.errors import SHARD_MISSING, TENANT_MISSING
from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.request.route_policy import RoutePolicy, Versions
from proxy.request.stage import Answer, stages_of
from proxy.route.placement import SHARDS_REMEMBERED_MAX, PlacementMap, Shard, make_offers_of_tenant, make_place
from proxy.route.regions import Regions
from proxy.route.table import Route

KIND = "aggregate_placement"
NO_MAP = Answer(SHARD_MISSING, "Where tenants are is not known yet.")
NO_SHARD = Answer(SHARD_MISSING, "This tenant has no place yet.")


class Source:
    """A source whose maps a test sets."""

    def __init__(self, *maps: PlacementMap) -> None:
        self.maps: Mapping[str, PlacementMap] = {placement.kind: placement for placement in maps}

    def subscribe(self, changed: Callable[[PlacementMap], None]) -> None:
        raise AssertionError


def a_map(
    shards: dict[str, str], tenants: dict[str, str], default: str = "", *, kind: str = KIND, revision: int = 1
) -> PlacementMap:
    by_name = {name: Shard(name, frozenset(instances.split())) for name, instances in shards.items()}
    return PlacementMap(
        kind=kind,
        revision=revision,
        shards=by_name,
        tenants={tenant.encode(): by_name[shard] for tenant, shard in tenants.items()},
        default=by_name.get(default),
    )


TWO = a_map({"one": "a b", "two": "c gone", "gone": "x"}, {"acme": "one", "umbrella": "two", "lost": "gone"})
OFFERS = (offer("a"), offer("b"), offer("c"), offer("d"))
REGIONS = Regions("eu-1", {"eu-1": ["eu-2"]})


def placed(offers: tuple[Offer, ...] = OFFERS, kind: str = KIND, regions: Regions | None = None) -> Route:
    return route(offers, RoutePolicy(placement=kind), regions)


def went(source: Source, exchange: Exchange) -> str | object:
    answer = make_place(source)(exchange)
    return names(exchange.offers) if answer is None else answer


@pytest.mark.parametrize(("tenant", "to"), [(b"acme", "a b"), (b"umbrella", "c")])
def test_a_tenant_gets_its_shard(tenant: bytes, to: str) -> None:
    assert went(Source(TWO), begun(placed(), tenant=tenant)) == to


def test_who_names_no_tenant() -> None:
    for exchange in (begun(placed()), begun(placed(), principal="ann")):
        assert went(Source(TWO), exchange) == Answer(TENANT_MISSING)


def test_a_tenant_without_a_shard() -> None:
    assert went(Source(TWO), begun(placed(), tenant=b"other")) == NO_SHARD
    assert went(Source(TWO), begun(placed(), tenant=b"ACME")) == NO_SHARD


def test_the_default_shard() -> None:
    source = Source(a_map({"one": "a", "rest": "d"}, {"acme": "one"}, "rest"))
    assert [went(source, begun(placed(), tenant=tenant)) for tenant in (b"acme", b"other")] == ["a", "d"]


def test_a_shard_of_which_no_instance_may_be_chosen() -> None:
    assert went(Source(TWO), begun(placed(), tenant=b"lost")) == Answer(SHARD_MISSING)
    assert SHARD_MISSING.retry_after_s == 1


def test_a_map_that_is_not_there() -> None:
    assert went(Source(), begun(placed(), tenant=b"acme")) == NO_MAP
    assert went(Source(TWO), begun(placed(kind="runner_placement"), tenant=b"acme")) == NO_MAP


def test_each_kind_has_its_map() -> None:
    source = Source(TWO, a_map({"one": "d"}, {"acme": "one"}, kind="runner_placement"))
    assert went(source, begun(placed(kind="runner_placement"), tenant=b"acme")) == "d"
    assert went(source, begun(placed(), tenant=b"acme")) == "a b"


def test_the_stage_is_there_only_where_there_is_a_placement() -> None:
    stage = make_place(Source())
    assert stages_of([stage], placed()) == (stage,)
    assert stages_of([stage], placed(kind="")) == ()


def test_a_map_that_is_swapped_holds_from_the_next_request_on() -> None:
    source, at = Source(TWO), placed()
    assert went(source, begun(at, tenant=b"acme")) == "a b"
    source.maps = {KIND: a_map({"one": "a b", "two": "c d"}, {"acme": "two"}, revision=2)}
    assert went(source, begun(at, tenant=b"acme")) == "c d"
    source.maps = {KIND: a_map({"one": "b"}, {"acme": "one"}, revision=3)}
    assert went(source, begun(at, tenant=b"acme")) == "b"


def test_a_shard_is_looked_up_once() -> None:
    source, at = Source(TWO), placed()
    first, second = begun(at, tenant=b"acme"), begun(at, tenant=b"acme")
    went(source, first)
    went(source, second)
    assert first.offers is second.offers


def test_what_is_remembered_is_bounded() -> None:
    source, at = Source(), placed()
    for revision in range(SHARDS_REMEMBERED_MAX + 10):
        source.maps = {KIND: a_map({"one": "a"}, {"acme": "one"}, revision=revision)}
        assert went(source, begun(at, tenant=b"acme")) == "a"
    assert len(at.choice.default.by_shard) <= SHARDS_REMEMBERED_MAX


def test_the_shard_comes_before_the_region() -> None:
    offers = (offer("near", region="eu-1"), offer("a", region="us-1"), offer("b", region="us-1", is_degraded=True))
    at = placed(offers, regions=REGIONS)
    assert names(at.offers) == "near"
    assert went(Source(TWO), begun(at, tenant=b"acme")) == "a"


def test_of_a_shard_the_nearest() -> None:
    offers = (offer("a", region="us-1"), offer("b", region="eu-2"), offer("c", region="eu-1"))
    assert went(Source(TWO), begun(placed(offers, regions=REGIONS), tenant=b"acme")) == "b"


def test_the_version_that_was_chosen_stays() -> None:
    offers = (offer("a", "1.4.0"), offer("b", "2.0.0"), offer("c", "2.0.0"))
    at = route(offers, RoutePolicy(placement=KIND, versions=Versions(default="1.4.0")))
    exchange = begun(at, tenant=b"acme")
    exchange.offers = at.choice.find(b"2.0.0").offers
    assert went(Source(TWO), exchange) == "b"
    exchange = begun(at, tenant=b"umbrella")
    assert went(Source(TWO), exchange) == Answer(SHARD_MISSING)  # it has 2.0.0 only, and 1.4.0 is the default


def test_a_version_that_nobody_serves_now_is_no_matter_of_shards() -> None:
    at = placed()
    exchange = begun(at, tenant=b"acme")
    exchange.offers = ()
    assert went(Source(TWO), exchange) == ""


def test_a_copy_goes_to_the_shard_of_its_tenant() -> None:
    offers = (*versions("1.4.0"), offer("a", "2.0.0"), offer("c", "2.0.0"))
    at = route(offers, RoutePolicy(placement=KIND))
    of_tenant, candidates = make_offers_of_tenant(Source(TWO)), at.choice.find(b"2.0.0")
    assert names(of_tenant(begun(at, tenant=b"acme"), candidates)) == "a"  # type: ignore[arg-type]
    assert of_tenant(begun(at, tenant=b"other"), candidates) == NO_SHARD


@given(st.dictionaries(st.sampled_from("pqrst"), st.sets(st.sampled_from("abcdx")), min_size=1), st.data())
def test_nobody_gets_anothers_instances(shards: dict[str, set[str]], data: st.DataObject) -> None:
    tenants = {f"t{number}": data.draw(st.sampled_from(sorted(shards))) for number in range(4)}
    source = Source(a_map({name: " ".join(sorted(there)) for name, there in shards.items()}, tenants))
    at = placed()
    for tenant, shard in tenants.items():
        got = went(source, begun(at, tenant=tenant.encode()))
        wanted = [one for one in "abcd" if one in shards[shard]]
        assert got == (" ".join(wanted) if wanted else Answer(SHARD_MISSING))
