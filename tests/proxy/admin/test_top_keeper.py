import pytest
import trio
import trio.testing
from top_support import sample, worker

from proxy.admin.top_keeper import APART_S, FRESH_S, WINDOW_S, TopKeeper
from proxy.admin.top_sample import TopSample


class Taken:
    """A gateway that notes when it was asked."""

    def __init__(self) -> None:
        self.count = 0

    async def sample(self) -> TopSample:
        self.count += 1
        return sample(worker(trio.current_time(), self.count))


def seconds(window: tuple[TopSample, TopSample]) -> float:
    before, after = window
    return after.workers[0].at_s - before.workers[0].at_s


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest.fixture
def keeper(taken: Taken) -> TopKeeper:
    return TopKeeper(taken.sample)


async def test_who_asks_first_waits_for_a_second_sample(
    keeper: TopKeeper, taken: Taken, autojump_clock: trio.testing.MockClock
) -> None:
    assert seconds(await keeper.window()) == pytest.approx(APART_S)
    assert taken.count == 2


async def test_who_asks_soon_after_gets_the_same(
    keeper: TopKeeper, taken: Taken, autojump_clock: trio.testing.MockClock
) -> None:
    first = await keeper.window()
    await trio.sleep(FRESH_S / 2)
    assert await keeper.window() == first
    assert taken.count == 2


async def test_many_who_look_cost_no_more_than_one(
    keeper: TopKeeper, taken: Taken, autojump_clock: trio.testing.MockClock
) -> None:
    windows: list[float] = []

    async def look() -> None:
        windows.append(seconds(await keeper.window()))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(look)
    assert windows == [pytest.approx(APART_S)] * 20
    assert taken.count == 2


async def test_the_window_grows_to_its_length_and_no_further(
    keeper: TopKeeper, autojump_clock: trio.testing.MockClock
) -> None:
    lengths = []
    for _ in range(12):
        lengths.append(seconds(await keeper.window()))
        await trio.sleep(1)
    assert lengths[0] == pytest.approx(APART_S)
    assert max(lengths) == pytest.approx(WINDOW_S)
    assert lengths[-1] == pytest.approx(WINDOW_S)
    assert len(keeper._kept) <= WINDOW_S / APART_S + 1


async def test_after_a_while_without_questions_rates_are_those_of_now(
    keeper: TopKeeper, autojump_clock: trio.testing.MockClock
) -> None:
    await keeper.window()
    await trio.sleep(60)
    assert seconds(await keeper.window()) == pytest.approx(APART_S)


async def test_who_leaves_while_waiting_holds_up_nobody(
    keeper: TopKeeper, autojump_clock: trio.testing.MockClock
) -> None:
    with trio.move_on_after(APART_S / 2):
        await keeper.window()
    with trio.fail_after(APART_S / 2 + FRESH_S):
        assert seconds(await keeper.window()) == pytest.approx(APART_S)


async def test_a_gateway_that_fails_once_is_asked_again(autojump_clock: trio.testing.MockClock) -> None:
    taken = Taken()

    async def failing() -> TopSample:
        if not taken.count:
            taken.count += 1
            raise OSError("no")
        return await taken.sample()

    keeper = TopKeeper(failing)
    with pytest.raises(OSError, match="no"):
        await keeper.window()
    assert seconds(await keeper.window()) == pytest.approx(APART_S)
