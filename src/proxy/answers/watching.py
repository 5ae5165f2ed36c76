"""Entering oneself for the end of an exchange, beside others who have done so."""

from proxy.request.ended import Ended, Endings, Take


def watch(endings: Endings, exchange: int, take: Take) -> None:
    """Have ``take`` called when an exchange ends, after whoever was entered before."""
    before = endings.get(exchange)
    if before is None:
        endings[exchange] = take
        return
    first = before

    def both(ended: Ended) -> bool:
        goes_on = bool(first(ended))
        return bool(take(ended)) or goes_on

    endings[exchange] = both
