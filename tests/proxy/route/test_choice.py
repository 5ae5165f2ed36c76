"""The offers of a route by version and region, and which of them a request gets that names none."""

import pytest
from route_support import names, offer, versions

from proxy.request.offer import Offer
from proxy.request.route_policy import RoutePolicy, Versions
from proxy.route.choice import RANGES_REMEMBERED_MAX, Candidates, Choice
from proxy.route.regions import Regions

REGIONS = Regions("eu-1", {"eu-1": ["eu-2"]})


def choice(
    offers: tuple[Offer, ...],
    default: str = "",
    *,
    takes_ranges: bool = False,
    regions: Regions = REGIONS,
    registered: tuple[str, ...] = (),
) -> Choice:
    policy = RoutePolicy(versions=Versions(default=default, takes_ranges=takes_ranges))
    return Choice(offers, regions, policy, registered)


def found(candidates: Candidates | None) -> str | None:
    return None if candidates is None else candidates.version


@pytest.mark.parametrize(
    ("there", "default", "got"),
    [
        ("1.4.0", "", "1.4.0"),
        ("1.4.0 1.10.0 1.9.0", "", "1.10.0"),
        ("1.4.0 2.0.0-rc.1", "", "1.4.0"),
        ("2.0.0-rc.1 2.0.0-rc.10 2.0.0-rc.2", "", "2.0.0-rc.10"),
        ("1.4.0 2.0.0", "1.4.0", "1.4.0"),
        ("1.4.0 1.5.0 2.0.0", "^1", "1.5.0"),
        ("1.4.0 2.0.0-rc.1", "2.0.0-rc.1", "2.0.0-rc.1"),
        ("1.4.0 2.0.0", "3.0.0", "2.0.0"),
        ("1.4.0 2.0.0", "^3", "2.0.0"),
        ("1.4.0", "3.0.0", "1.4.0"),
        ("1.4.0+7 1.5.0+1", "", "1.5.0"),
    ],
)
def test_the_default(there: str, default: str, got: str) -> None:
    assert choice(versions(*there.split()), default).default.version == got


def test_a_route_that_nobody_serves_now() -> None:
    nobody = choice(())
    assert (nobody.default.version, nobody.default.offers) == ("", ())
    assert nobody.find(b"1.4.0") is None
    assert nobody.versions == ()


def test_an_exact_version() -> None:
    both = choice(versions("1.4.0", "2.0.0"))
    assert names(both.find(b"1.4.0").offers) == "b-1.4.0"  # type: ignore[union-attr]
    assert both.find(b"1.4.0") is both.find(b"1.4.0")
    assert [both.find(asked) for asked in (b"1.4.1", b"1.4", b"^1", b"", b"\xff", b"v1.4.0")] == [None] * 6


def test_builds_of_one_version_are_one_version_and_each_may_be_asked_for() -> None:
    builds = choice((offer("a", "1.4.0+a"), offer("b", "1.4.0+b"), offer("none", "1.4.0")), takes_ranges=True)
    asked = (b"1.4.0", b"1.4.0+a", b"1.4.0+b", b"^1")
    assert [names(builds.find(one).offers) for one in asked] == ["a b none", "a", "b", "a b none"]  # type: ignore[union-attr]
    assert builds.find(b"1.4.0+c") is None
    assert builds.versions == ("1.4.0",)


def test_ranges_where_the_route_takes_them() -> None:
    three = choice(versions("1.4.0", "1.10.0", "2.0.0-rc.1"), takes_ranges=True)
    asked = [b"^1", b"~1.4", b"*", b"1.x", b">=2.0.0-rc.0", b"^3", b"nonsense", b"\xff"]
    assert [found(three.find(one)) for one in asked] == [
        "1.10.0",
        "1.4.0",
        "1.10.0",
        "1.10.0",
        "2.0.0-rc.1",
        None,
        None,
        None,
    ]
    assert three.find(b"^1") is three.find(b"1.10.0")


def test_what_was_asked_for_is_remembered_within_bounds() -> None:
    one = choice(versions("1.4.0"), takes_ranges=True)
    for patch in range(3 * RANGES_REMEMBERED_MAX):
        assert one.find(b"<9.9.%d" % patch) is one.default
        assert one.find(b">9.9.%d" % patch) is None
        assert len(one._known) <= RANGES_REMEMBERED_MAX + 1
    assert one.find(b"1.4.0") is one.default


def test_each_version_has_its_own_nearest_region() -> None:
    offers = (
        offer("old", "1.4.0", "eu-1"),
        offer("new-far", "2.0.0", "us-1"),
        offer("new-near", "2.0.0", "eu-2"),
        offer("new-nearer", "2.0.0", "eu-2", is_degraded=True),
    )
    two = choice(offers)
    assert names(two.default.offers) == "new-near"
    assert names(two.default.everywhere) == "new-far new-near new-nearer"
    assert names(two.find(b"1.4.0").offers) == "old"  # type: ignore[union-attr]


def test_a_version_of_which_no_instance_may_be_chosen_is_there_all_the_same() -> None:
    down = choice(
        versions("1.4.0", "2.0.0"), "3.0.0", takes_ranges=True, registered=("1.4.0", "2.0.0", "3.0.0", "2.5.0+1")
    )
    assert (down.default.version, down.default.offers) == ("3.0.0", ())
    assert found(down.find(b"2.5.0")) == "2.5.0"
    assert found(down.find(b">=2")) == "2.0.0"  # one that can answer before one that cannot
    assert found(down.find(b"^3")) == "3.0.0"
    assert down.versions == ("3.0.0", "2.5.0", "2.0.0", "1.4.0")


def test_the_default_that_nobody_chose_is_one_that_can_answer() -> None:
    assert choice(versions("1.4.0"), registered=("1.4.0", "2.0.0")).default.version == "1.4.0"
    assert choice(versions("2.0.0-rc.1"), registered=("1.4.0", "2.0.0-rc.1")).default.version == "2.0.0-rc.1"
    assert choice((), registered=("1.4.0", "2.0.0")).default.version == "2.0.0"


def test_candidates_are_found_by_their_offers() -> None:
    two = choice((*versions("1.4.0", "2.0.0+1", "2.0.0+2"),), takes_ranges=True)
    for asked in (b"1.4.0", b"2.0.0", b"2.0.0+1", b"^1"):
        candidates = two.find(asked)
        assert candidates is not None
        assert two.candidates_of(candidates.offers).everywhere == candidates.everywhere
    assert two.candidates_of(two.default.offers) is two.default


def test_an_offer_without_a_version_comes_last_and_harms_nobody() -> None:
    assert choice((*versions("0.0.0-0"), offer("b", ""))).default.version == "0.0.0-0"
    assert choice((offer("b", ""),)).default.version == ""
