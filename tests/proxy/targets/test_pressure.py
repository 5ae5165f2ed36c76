"""Who says that it has too much to do gets less, unless others say so too."""

import pytest
from breaker_support import Town

from proxy.targets.pressure import Pressure
from proxy.targets.silence import Sight


class Street:
    """Four instances, each with a part of its answers that say so."""

    def __init__(self) -> None:
        self.town = Town()
        self.pressure = Pressure()
        self.now = 0.0

    def live(self, seconds: float, *parts: float, answers: int = 100) -> list[float]:
        """Let them answer for some time; return the shares."""
        for _ in range(round(seconds * 4)):
            self.now += 0.25
            for number, part in enumerate(parts):
                self.town.heard[number] += answers
                for _ in range(round(answers * part)):
                    self.pressure.met(self.town.instances[number])
            sights = [Sight(one, self.town.heard[at], 0, 0.0) for at, one in enumerate(self.town.instances)]
            self.pressure.tick(sights, self.now)
        return [round(self.pressure.share(one), 2) for one in self.town.instances]


def test_nobody_says_so() -> None:
    street = Street()
    assert street.live(10, 0, 0, 0, 0) == [1, 1, 1, 1]
    assert len(street.pressure) == 0


@pytest.mark.parametrize("answers", [20, 100, 2000])
def test_one_that_says_so_gets_less_and_gets_it_back_whatever_the_rate(answers: int) -> None:
    street = Street()
    first, *others = street.live(1, 0.5, 0, 0, 0, answers=answers)
    assert 0.2 < first < 0.5
    assert others == [1, 1, 1]
    assert street.live(5, 0.5, 0, 0, 0, answers=answers) == [0.1, 1, 1, 1]
    assert 0.3 < street.live(5, 0, 0, 0, 0, answers=answers)[0] < 0.5
    assert street.live(12, 0, 0, 0, 0, answers=answers) == [1, 1, 1, 1]
    assert len(street.pressure) == 0


def test_where_all_say_so_nobody_gets_less() -> None:
    assert Street().live(10, 0.5, 0.5, 0.6, 0.4) == [1, 1, 1, 1]


def test_a_little_of_it_is_none() -> None:
    assert Street().live(10, 0.05, 0, 0, 0) == [1, 1, 1, 1]


def test_few_answers_say_nothing() -> None:
    assert Street().live(0.5, 1, 0, 0, 0, answers=2) == [1, 1, 1, 1]


def test_one_alone_keeps_its_share() -> None:
    street = Street()
    street.town.instances = street.town.instances[:1]
    assert street.live(10, 1) == [1]


def test_who_is_gone_is_forgotten() -> None:
    street = Street()
    street.live(2, 0.5, 0, 0, 0)
    street.town.instances = street.town.instances[1:]
    street.live(0.25)
    assert len(street.pressure) == 0
