"""Settings of shedding: what the gateway refuses before it works on it, since it is short of something itself."""

from typing import Annotated

import msgspec

from penstock.settings import Setting
from penstock.settings.types import Duration, Fraction, Size


class SheddingConfig(msgspec.Struct, frozen=True):
    """From where on requests are refused, the least important first. All of it takes effect on reload."""

    queue_delay_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "250ms",
            "how late the gateway may come to its work; above, it sheds; 0s: it never does for that",
            "far above what a busy gateway needs, and less than what a person notices",
            at_most="1m",
        ),
    ]
    memory_bytes: Annotated[
        int,
        Setting(
            Size(),
            "0B",
            "how much memory the gateway may use; above, it sheds; 0B: as much as it gets",
            "only the operator knows what else is to run there",
        ),
    ]
    bytes_in_flight: Annotated[
        float,
        Setting(
            Fraction(),
            "90%",
            "the part of edge.bytes_in_flight from which on requests with a body that is not there yet are shed",
            "what has begun can end in the rest; 100%: only what does not fit any more is refused",
        ),
    ]
