"""Fan: the brain of one fan-out. It says which leg is asked next, when all is over, and who is to be told to stop.

Pure: no I/O, no clock. Each method returns a `Step`, by which its caller acts. What holds at any time:

1. A leg is waiting, under way, or done; it is done once, with one result, and never asked again.
2. At most ``at_once`` legs are under way.
3. Once it is over nothing is asked any more, and no leg is under way: whoever was is in the last step's ``stop``.
4. It is over once: as soon as nobody is waiting or under way; or enough good answers are there and no more are wanted;
   or too few can still come, and it is to stop then.
"""

from typing import NamedTuple


class Rule(NamedTuple):
    """needed: good answers; ends_when_met: no more are wanted then; stops: as soon as that many cannot come."""

    needed: int
    at_once: int
    ends_when_met: bool = False
    stops: bool = False


class Step(NamedTuple):
    """What is to be done now: ask these legs, tell these to stop. is_over: nothing follows."""

    ask: tuple[int, ...] = ()
    stop: tuple[int, ...] = ()
    is_over: bool = False


_NOTHING = Step()


class Fan:
    """One fan-out over legs 0 to count - 1."""

    __slots__ = ("_failed", "_good", "_next", "_rule", "_under_way", "count", "is_over")

    def __init__(self, count: int, rule: Rule) -> None:
        """Begin with nobody asked. rule.at_once is at least 1."""
        if count < 0 or rule.at_once < 1:
            raise ValueError(f"cannot ask {count} legs, {rule.at_once} at once")
        self.count = count
        self.is_over = False
        self._rule = rule
        self._next = 0
        self._under_way: dict[int, None] = {}  # in the order in which they were asked
        self._good = self._failed = 0

    def __repr__(self) -> str:
        """Counts on one line."""
        state = "over" if self.is_over else f"{len(self._under_way)} under way"
        return f"<Fan {state}, {self._good} good, {self._failed} failed, {self._next} of {self.count} asked>"

    @property
    def under_way(self) -> int:
        """How many legs are asked and not done."""
        return len(self._under_way)

    @property
    def is_met(self) -> bool:
        """Whether enough good answers are there."""
        return self._good >= self._rule.needed

    def begin(self) -> Step:
        """Return whom to ask first. Over at once where there is nobody, or fewer than are needed."""
        if self.count < max(1, self._rule.needed):
            return self._end()
        return self._go_on()

    def done(self, leg: int, *, is_good: bool) -> Step:
        """Take in that a leg has answered, or that it cannot. One that is not under way is ignored."""
        if leg not in self._under_way:
            return _NOTHING
        del self._under_way[leg]
        self._good += is_good
        self._failed += not is_good
        return self._go_on()

    def give_up(self) -> Step:
        """End it: nobody wants the answers any more, or they come too late."""
        return _NOTHING if self.is_over else self._end()

    def _go_on(self) -> Step:
        rule = self._rule
        if self._next == self.count and not self._under_way:
            return self._end()
        if rule.ends_when_met and self.is_met:
            return self._end()
        if rule.stops and self.count - self._failed < rule.needed:
            return self._end()
        first, room = self._next, rule.at_once - len(self._under_way)
        self._next = min(self.count, first + room)
        asked = tuple(range(first, self._next))
        self._under_way |= dict.fromkeys(asked)
        return Step(ask=asked) if asked else _NOTHING

    def _end(self) -> Step:
        self.is_over = True
        stop = tuple(self._under_way)
        self._under_way.clear()
        return Step(stop=stop, is_over=True)
