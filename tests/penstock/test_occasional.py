from penstock.telemetry.occasional import KEYS_MAX, Occasional


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_line_is_told_and_the_next_are_held_back_until_it_is_time() -> None:
    clock = Clock()
    occasional = Occasional(10.0, clock)
    assert occasional.held_back("a") == 0
    assert [occasional.held_back("a") for _ in range(3)] == [None, None, None]
    clock.now += 9.9
    assert occasional.held_back("a") is None
    clock.now += 0.1
    assert occasional.held_back("a") == 4
    assert occasional.held_back("a") is None


def test_keys_do_not_hold_each_other_back() -> None:
    occasional = Occasional(10.0, Clock())
    assert occasional.held_back("a") == 0
    assert occasional.held_back("b") == 0


def test_what_is_remembered_is_bounded() -> None:
    occasional = Occasional(10.0, Clock())
    for key in range(KEYS_MAX + 1):
        assert occasional.held_back(key) == 0
    assert occasional.held_back(0) == 0  # forgotten, so told again
    assert occasional.held_back(KEYS_MAX) is None
