"""What a dashboard is made of, and questions that come often."""

from typing import Literal, NamedTuple

Kind = Literal["stat", "timeseries", "heatmap", "table"]
Query = tuple[str, str]
"""A question for Prometheus, and the legend of what it answers."""

RATE = "$__rate_interval"


class Panel(NamedTuple):
    """One panel. limits: from where on it is a warning, and from where on it is bad; falling where less is worse."""

    title: str
    description: str
    unit: str
    queries: list[Query]
    kind: Kind = "timeseries"
    is_stacked: bool = False
    limits: tuple[float, float] | None = None
    width: int = 0
    """Of 24; 0: what the row has for each."""


class Board(NamedTuple):
    """One dashboard. variables: name, label and question for the values of each; rows: title and panels."""

    uid: str
    title: str
    description: str
    variables: list[tuple[str, str, str]]
    rows: list[tuple[str, list[Panel]]]


def rate(metric: str, *by: str, matchers: str = "") -> str:
    """Return how often something happens in a second, summed by labels."""
    series = f"rate({metric}{{{matchers}}}[{RATE}])" if matchers else f"rate({metric}[{RATE}])"
    return f"sum by ({', '.join(by)}) ({series})" if by else f"sum({series})"


def quantile(part: float, metric: str, *by: str, matchers: str = "") -> str:
    """Return a quantile of a histogram, by labels."""
    return f"histogram_quantile({part}, {rate(f'{metric}_bucket', *by, 'le', matchers=matchers)})"


def quantiles(metric: str, *parts: float, matchers: str = "") -> list[Query]:
    """Return several quantiles of a histogram, of all that matches together."""
    return [(quantile(part, metric, matchers=matchers), f"p{part * 100:g}") for part in parts]


def mean(metric: str, *by: str, matchers: str = "") -> str:
    """Return the mean of a histogram, by labels."""
    above, below = (rate(f"{metric}_{part}", *by, matchers=matchers) for part in ("sum", "count"))
    return f"{above} / {below}"
