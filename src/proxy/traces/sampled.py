"""A sampled request, as it waits to become spans: its record, and what the numbers in it meant when it was read."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from frames.records import ExchangeRecord
    from proxy.records.names import InstanceName, Names, RouteName


class Sampled(NamedTuple):
    """instances: of its attempts, in their order."""

    record: "ExchangeRecord"
    route: "RouteName"
    instances: "tuple[InstanceName, ...]"


def sampled_of(record: "ExchangeRecord", names: "Names") -> Sampled:
    """Look up what a record's numbers mean."""
    return Sampled(
        record, names.route(record.route), tuple(names.instance(each.connection) for each in record.attempts)
    )
