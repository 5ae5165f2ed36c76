"""Entering oneself for the end of an exchange, beside others who have done so."""

from collections.abc import Callable

from proxy.ended import Ended, Endings


def watch(endings: Endings, exchange: int, take: Callable[[Ended], None]) -> None:
    """Have ``take`` called when an exchange ends, after whoever was entered before."""
    before = endings.get(exchange)
    if before is None:
        endings[exchange] = take
        return
    first = before

    def both(ended: Ended) -> None:
        first(ended)
        take(ended)

    endings[exchange] = both
