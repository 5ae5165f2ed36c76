"""Pressure: who says that it has too much to do gets less, as long as others of its service do not say so.

It answers at once, and so looks like the least loaded of all to who chooses by load. What it says is no outage: it goes
on being asked, with a share that shrinks while it says so, and grows back when it does not.

Pure: it is shown what is to be seen, at each tick. What counts is the part of its answers that say so, and nothing of
it depends on how many come.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from proxy.targets.outlier import is_worse
from proxy.targets.silence import Sight

if TYPE_CHECKING:
    from proxy.targets.instance import Instance

SHARE_LEAST: Final = 0.1
"""Of its share: enough to see that the pressure is gone."""

PART_MIN: Final = 0.1
"""Of its answers that say so, below which it is none."""

ANSWERS_MIN: Final = 10
"""Of which that is a part."""

BACK_S: Final = 10.0
"""From nothing to the whole share, without pressure."""

_FORGOTTEN: Final = 0.05
_KEPT: Final = 0.8
"""Of the counts, from one tick to the next: what was a few seconds ago says little of now."""


class _Pressed(msgspec.Struct):
    """One instance of which pressure was met."""

    met: float = 0.0
    """Since the last tick, and less and less of those before; answers likewise."""
    answers: float = 0.0
    heard: int | None = None
    share: float = 1.0
    is_new: bool = True

    @property
    def part(self) -> float:
        return self.met / self.answers if self.answers >= ANSWERS_MIN else 0.0


class Pressure:
    """The shares of instances that have too much to do. Nothing is kept of those that never say so."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._pressed: dict[Instance, _Pressed] = {}
        self._ticked_at: float | None = None

    def __len__(self) -> int:
        """How many are watched."""
        return len(self._pressed)

    def met(self, instance: "Instance") -> None:
        """Take in that an instance said so."""
        pressed = self._pressed.get(instance) or self._pressed.setdefault(instance, _Pressed())
        pressed.met += 1

    def share(self, instance: "Instance") -> float:
        """Return which part of its share it gets."""
        pressed = self._pressed.get(instance)
        return 1.0 if pressed is None else pressed.share

    def tick(self, sights: Sequence[Sight], now: float) -> None:
        """Look at all instances."""
        past_s = 0.0 if self._ticked_at is None else now - self._ticked_at
        self._ticked_at = now
        if not self._pressed:
            return
        there = {sight.instance: sight for sight in sights}
        self._pressed = {one: pressed for one, pressed in self._pressed.items() if one in there}
        for one, pressed in self._pressed.items():
            heard = there[one].heard
            pressed.is_new = pressed.heard is None
            if pressed.heard is None:
                pressed.met = 0.0  # nobody knows of how many answers that was: they are counted from now on
            else:
                pressed.answers += (heard - pressed.heard) & 0xFFFF_FFFF
            pressed.heard = heard
        parts = {one: pressed.part for one, pressed in self._pressed.items()}
        for one, part in parts.items():
            others = [parts.get(peer, 0.0) for peer in there if peer.service == one.service and peer is not one]
            self._pressed[one].share = _next_share(self._pressed[one].share, part, others, past_s)
        for pressed in self._pressed.values():
            pressed.met, pressed.answers = pressed.met * _KEPT, pressed.answers * _KEPT
        self._pressed = {
            one: pressed
            for one, pressed in self._pressed.items()
            if pressed.share < 1.0 or pressed.met >= _FORGOTTEN or pressed.is_new
        }


def _next_share(share: float, part: float, others: Sequence[float], past_s: float) -> float:
    if part >= PART_MIN and is_worse(part, others):
        return max(SHARE_LEAST, share * (1.0 - part / 2))
    return min(1.0, share + past_s / BACK_S)
