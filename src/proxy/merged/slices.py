"""Figures on their way to the supervisor: encoded in small steps, since ten thousand routes take their time.

One call that encodes all of them would hold up the traffic for as long as it takes.
"""

from dataclasses import replace
from typing import NamedTuple

import msgspec

from proxy.admin.figures import Figures, RouteFigures
from proxy.overview.lists import in_slices


class Sliced(NamedTuple):
    """Figures without their routes, and the routes, as msgpack or as what it stands for."""

    others: Figures
    routes: list[RouteFigures]


async def sliced(figures: Figures) -> tuple[msgspec.Raw, list[msgspec.Raw]]:
    """Return what stands for a `Sliced` when it is encoded."""
    encode = msgspec.msgpack.Encoder().encode
    routes = await in_slices(lambda route: msgspec.Raw(encode(route)), figures.routes)
    return msgspec.Raw(encode(replace(figures, routes=()))), routes


def joined(found: Sliced) -> Figures:
    """Return the figures, whole."""
    return replace(found.others, routes=found.routes)
