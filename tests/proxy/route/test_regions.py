"""Which instances are near: the own region, its neighbours, the rest; healthy ones first within each."""

from hypothesis import given
from hypothesis import strategies as st
from route_support import names, offer

from proxy.route.regions import NEIGHBOURS, OTHERS, OWN, Regions

REGIONS = Regions("eu-1", {"eu-1": ["eu-2", "eu-3"], "us-1": ["us-2"]})


def test_tiers() -> None:
    tiers = {region: REGIONS.tier(region) for region in ("eu-1", "eu-2", "eu-3", "us-1", "us-2", "", "EU-1")}
    assert tiers == {
        "eu-1": OWN,
        "eu-2": NEIGHBOURS,
        "eu-3": NEIGHBOURS,
        "us-1": OTHERS,
        "us-2": OTHERS,
        "": OTHERS,
        "EU-1": OTHERS,
    }


def test_a_region_that_is_its_own_neighbour_is_its_own() -> None:
    assert Regions("a", {"a": ["a", "b"]}).tier("a") == OWN


def test_without_configuration_there_is_one_region_and_the_rest() -> None:
    assert [Regions().tier(region) for region in ("local", "eu-1")] == [OWN, OTHERS]


def test_the_own_region_comes_first_and_neighbours_are_one_tier() -> None:
    far, near, nearer, own = (
        offer("us", region="us-1"),
        offer("e3", region="eu-3"),
        offer("e2", region="eu-2"),
        offer("e1", region="eu-1"),
    )
    assert names(REGIONS.nearest([far, near, own, nearer])) == "e1"
    assert names(REGIONS.nearest([far, near, nearer])) == "e3 e2"
    assert names(REGIONS.nearest([far])) == "us"
    assert REGIONS.nearest([]) == ()


def test_a_degraded_instance_at_home_comes_before_a_healthy_one_elsewhere() -> None:
    here, there = offer("here", region="eu-1", is_degraded=True), offer("there", region="eu-2")
    assert names(REGIONS.nearest([there, here])) == "here"


def test_within_a_tier_the_healthy_ones_or_else_all() -> None:
    well, ill, worse = (
        offer("well", region="eu-2"),
        *[offer(name, region="eu-3", is_degraded=True) for name in ("ill", "worse")],
    )
    assert names(REGIONS.nearest([ill, well, worse])) == "well"
    assert names(REGIONS.nearest([ill, worse])) == "ill worse"


OFFERS = st.lists(
    st.builds(
        lambda region, is_degraded: offer("b", region=region, is_degraded=is_degraded),
        st.sampled_from(["eu-1", "eu-2", "eu-3", "us-1"]),
        st.booleans(),
    ),
    max_size=8,
)


@given(OFFERS)
def test_whatever_there_is(offers: list[object]) -> None:
    chosen = REGIONS.nearest(offers)  # type: ignore[arg-type]
    left_out = [one for one in offers if one not in chosen]
    assert bool(chosen) == bool(offers)
    assert len({(REGIONS.tier(one.region), one.is_degraded) for one in chosen}) <= 1
    for one in left_out:
        worse = (REGIONS.tier(one.region), one.is_degraded)  # type: ignore[attr-defined]
        assert worse > (REGIONS.tier(chosen[0].region), chosen[0].is_degraded)
