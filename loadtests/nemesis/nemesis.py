"""Does what a schedule says in time, one after the other, and tells what was done."""

import random
from collections.abc import Callable, Sequence

import trio

from loadtests.nemesis import deeds
from loadtests.nemesis.schedule import Planned
from loadtests.record import Event
from loadtests.stand.stand import Stand

DRAWN = frozenset({"kill", "stop", "slow", "restart", "cut"})


async def torment(
    stand: Stand, events: Sequence[Planned], now: Callable[[], float], tell: Callable[[Event], None], seed: int
) -> None:
    """Do what is planned. now: seconds since the start of the run; tell: is called with each event when it is over, and
    with one that was cut short by the end of the run.
    """
    chance = random.Random(seed)
    for number, planned in enumerate(events, 1):
        await trio.sleep(max(0.0, planned.at_s - now()))
        await _do(stand, planned, number, now, tell, chance)


async def _do(
    stand: Stand,
    planned: Planned,
    number: int,
    now: Callable[[], float],
    tell: Callable[[Event], None],
    chance: random.Random,
) -> None:
    begin = now()
    target, outcome, is_done = planned.target, "the run ended in the midst of it", False
    slots = list(range(stand.layout.workers)) if planned.target == "workers" else []
    try:
        victim = None
        if planned.do in DRAWN and planned.target != "workers":
            victim = await deeds.draw(stand, planned.target, chance)
            target = victim.name
            if planned.do in ("kill", "restart") and victim.slot is not None:
                slots = [victim.slot]
        outcome, is_done = await deeds.do(stand, planned, victim, number), True
    except deeds.DeedError as error:
        outcome = str(error)
    finally:
        tell(
            Event(
                begin_s=round(begin, 3),
                end_s=round(now(), 3),
                kind=planned.do,
                target=target,
                outcome=outcome,
                is_done=is_done,
                settles_s=planned.settles_s,
                allowed_reasons=planned.allows,
                replaces_workers=slots,
            )
        )
