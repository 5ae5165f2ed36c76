"""Which workers are dialled: a table of stories, and random ones that are held to what the protocol says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames.greeting import WorkerPlace
from penstock.worker_places import Place, WorkerPlaces

HOST = "192.0.2.1"


def listed(*ids: str) -> tuple[WorkerPlace, ...]:
    """Workers whose port is told by the number of their slot, as those of a slot share one."""
    return tuple(WorkerPlace(id=each, port=7000 + int(each.split(".")[0])) for each in ids)


def ids(places: WorkerPlaces) -> list[str]:
    """What is wanted, by id; the gateway itself as `gateway`."""
    return sorted("gateway" if place is None else place.worker for place in places.wanted)


def told(places: WorkerPlaces, connection: int, worker: str | None, *workers: str) -> None:
    places.told(connection, HOST, worker, listed(*workers))


def test_the_gateway_itself_is_wanted_until_there_is_a_connection_and_when_there_is_none() -> None:
    places = WorkerPlaces()
    assert ids(places) == ["gateway"]
    told(places, 1, None)
    assert ids(places) == []
    places.going(1)
    assert ids(places) == []  # a gateway of one process is dialled again when it is gone
    places.ended(1)
    assert ids(places) == ["gateway"]


def test_all_workers_of_the_list_are_wanted_but_those_that_are_reached() -> None:
    places = WorkerPlaces()
    told(places, 1, "1.1", "0.1", "1.1", "2.1")
    assert places.wanted == {Place("0.1", HOST, 7000), Place("2.1", HOST, 7002)}
    told(places, 2, "0.1", "0.1", "1.1", "2.1")
    assert ids(places) == ["2.1"]
    places.ended(1)
    assert ids(places) == ["1.1", "2.1"]
    places.ended(2)
    assert ids(places) == ["gateway"]


def test_a_host_that_the_gateway_says_is_believed() -> None:
    places = WorkerPlaces()
    places.told(1, HOST, "0.1", (WorkerPlace(id="1.1", port=7, host="gw.internal"), WorkerPlace(id="2.1", port=8)))
    assert places.wanted == {Place("1.1", "gw.internal", 7), Place("2.1", HOST, 8)}


def test_a_replacement_is_wanted_as_soon_as_one_worker_knows_of_it_and_whatever_the_others_say_later() -> None:
    places = WorkerPlaces()
    told(places, 1, "0.1", "0.1", "1.1")
    told(places, 2, "1.1", "0.1", "1.1")
    told(places, 1, "0.1", "0.1", "1.1", "0.2")
    assert ids(places) == ["0.2"]
    told(places, 2, "1.1", "0.1", "1.1")  # an answer to HELLO that has crossed the news
    assert ids(places) == ["0.2"]


def test_who_has_left_all_lists_is_not_dialled_again_and_its_own_list_counts_no_more() -> None:
    places = WorkerPlaces()
    told(places, 1, "0.1", "0.1", "1.1")
    told(places, 2, "1.1", "1.1")
    told(places, 1, "0.1", "1.1")
    places.ended(1)
    assert ids(places) == []
    told(places, 3, "0.2", "0.2", "9.1")
    places.going(3)
    assert ids(places) == []


def test_a_worker_that_goes_away_and_is_still_listed_is_wanted_again() -> None:
    places = WorkerPlaces()
    told(places, 1, "0.1", "0.1")
    told(places, 2, "1.1", "0.1", "1.1")
    places.going(1)
    assert ids(places) == ["0.1"]


def test_when_all_go_away_the_gateway_is_sought_anew_at_once() -> None:
    places = WorkerPlaces()
    told(places, 1, "0.1", "0.1", "1.1")
    told(places, 2, "1.1", "0.1", "1.1")
    places.going(1)
    places.going(2)
    assert ids(places) == ["gateway"]
    places.ended(1)
    places.ended(1)
    assert ids(places) == ["gateway"]


def test_the_only_worker_names_its_successor_and_is_then_believed_no_more() -> None:
    places = WorkerPlaces()
    told(places, 1, "0.1", "0.1")
    told(places, 1, "0.1", "0.2")  # it leaves the list; nobody tells it anything from now on
    assert ids(places) == ["0.2"]
    told(places, 2, "0.2", "0.2")
    told(places, 3, "0.3", "0.3")
    told(places, 2, "0.2", "0.3")
    places.ended(2)
    assert ids(places) == []  # 0.1 is still there, and still says 0.2
    places.ended(3)
    assert ids(places) == ["0.2"]  # better than nothing: who takes its place listens there


@pytest.mark.parametrize("worker", [None, "0.1"])
def test_a_list_without_a_worker_is_not_looked_at(worker: str | None) -> None:
    places = WorkerPlaces()
    told(places, 1, worker, "0.1", "1.1")
    assert ids(places) == ([] if worker is None else ["1.1"])


WORKER = st.sampled_from([f"{slot}.{generation}" for slot in range(3) for generation in (1, 2)])
STEP = st.one_of(
    st.tuples(st.just("told"), st.integers(0, 3), st.none() | WORKER, st.sets(WORKER)),
    st.tuples(st.sampled_from(["going", "ended"]), st.integers(0, 3), st.none(), st.just(set[str]())),
)


@given(story=st.lists(STEP))
def test_whatever_happens_somebody_is_reached_or_sought(story: list[tuple[str, int, str | None, set[str]]]) -> None:
    places = WorkerPlaces()
    model: dict[int, tuple[str | None, set[str]]] = {}  # connections that count, and what they said
    for what, connection, worker, workers in story:
        if what == "told":
            told(places, connection, worker, *sorted(workers))
            model[connection] = (worker, workers if worker else set())
        else:
            getattr(places, what)(connection)
            if what == "ended" or model.get(connection, (None,))[0] is not None:
                model.pop(connection, None)
        reached = {each for each, _ in model.values()}
        staying = [said for each, said in model.values() if each in said]
        listed_now = set().union(*(staying or (said for _, said in model.values())))
        assert set(places.listed) == listed_now
        assert ids(places) == (sorted(listed_now - reached) if model else ["gateway"])
