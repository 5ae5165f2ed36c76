"""The choice of one instance for one request: two at random, the less loaded.

Load is (requests in flight + 1) x the moving average of the time to respond, both as the wire measures them. Of two
drawn at random the less loaded wins, which spreads requests almost as well as looking at all of them, costs the same
for any number, and does not send everything to the same one at the same moment, as "the least loaded of all" does
with figures that are a little old.

Two rules keep an instance from being starved by an old figure, since only a chosen one is measured again:

- The second must be clearly better, by ``MARGIN``, to win over the first. Between equals the order of the draw
  decides, which is fair.
- One draw of ``1 / EXPLORE`` is not compared at all. So one that was slow once is measured again, and comes back by
  itself.

An average of 0 means that nothing was measured yet: only requests in flight are compared then, so a new one is tried
at once, and gets no more than its share.
"""

from collections.abc import Callable, Sequence
from typing import Final

from proxy.offer import Offer

MARGIN: Final = 1.5
"""How many times as loaded the first must be to lose: above the noise of an average over few requests, and below 2,
which is what one request in flight is against none."""

EXPLORE: Final = 1 / 32
"""The part of the draws that is not compared: a slow one gets this part of its fair share, for being looked at."""


def pick(
    candidates: Sequence[Offer], in_flight: Sequence[int], latency_us: Sequence[float], rand: Callable[[], float]
) -> Offer | None:
    """Return one of the candidates, or None when there is none.

    in_flight and latency_us are the wire's arrays by slot; rand returns a float in [0, 1), and is called once, for
    two and more.
    """
    count = len(candidates)
    if count < 2:
        return candidates[0] if count else None
    # One draw gives an ordered pair of different ones, and by what is left over, whether to compare them.
    others = count - 1
    draw = rand() * count * others
    pair = int(draw)
    first = pair // others
    one = candidates[first]
    if draw - pair < EXPLORE:
        return one
    second = pair - first * others
    other = candidates[second if second < first else second + 1]
    here, there = one.slot, other.slot
    one_us, other_us = latency_us[here], latency_us[there]
    if not (one_us and other_us):
        return other if in_flight[there] < in_flight[here] else one
    return other if (in_flight[there] + 1) * other_us * MARGIN < (in_flight[here] + 1) * one_us else one
