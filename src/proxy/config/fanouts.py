"""Settings of routes that ask several services, or several instances of one, at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from frames.frame import Method
from frames.template import TemplateError, check_template, template_shape
from penstock.settings import Origins, Problem, Setting
from penstock.settings.errors import BadValueError, Step, path_text
from penstock.settings.http import MethodName
from penstock.settings.tables import NOWHERE, Places, TableList
from penstock.settings.types import Count, Duration, Flag, Size, Text, TextKind
from penstock.settings.words import Word

from ..fanout.plan import ALL, Combine, FanOutPlan, LegPlan
from ..fanout.targets import parameters_of
from .services import SERVICE_NAME

FANOUT_NAME = Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "1 to 64 of A-Z a-z 0-9 . _ -", "dashboard")
INSTANCES_MAX = 256
FANOUTS_MAX = 64
"""Names of them are labels of metrics."""
_SAFE = (Method.GET, Method.HEAD, Method.OPTIONS)


class PathTemplate(TextKind[str]):
    """A path, with parameters where it has some; empty for none."""

    label = "path"
    example = "/dashboard/{user}"

    def parse_text(self, text: str) -> str:
        """Read a template."""
        try:
            if text:
                check_template(text)
        except TemplateError as error:
            raise BadValueError(f"{text!r} is no path: it {error}", f"write a path like {self.example}") from None
        return text


class InstanceCount(TextKind[int]):
    """A number of instances, or all of them."""

    label = "number of instances"
    example = f"all, or a whole number from 1 to {INSTANCES_MAX}"

    def parse_text(self, text: str) -> int:
        """Read a number, or ``all``."""
        if text.lower() == "all":
            return ALL
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= INSTANCES_MAX):
            raise BadValueError(f"{text!r} is no number of instances", f"write {self.example}")
        return int(text)

    def render(self, value: int) -> str:
        """Return the number, or ``all``."""
        return str(value) if value else "all"


class LegTable(msgspec.Struct, frozen=True, kw_only=True):
    """One service that is asked."""

    service: Annotated[str, Setting(SERVICE_NAME, "", "the service", "a leg is of one", required=True)]
    name: Annotated[
        str | None, Setting(FANOUT_NAME, "", "what the merged document calls it", "the service's name is clear")
    ]
    path: Annotated[
        str,
        Setting(
            PathTemplate(), "", "the path that it is asked; parameters are those of the route", "the route's own path"
        ),
    ]
    instances: Annotated[
        int,
        Setting(
            InstanceCount(),
            "1",
            "how many of its instances are asked, each as a leg of its own",
            "any one of them answers for its service",
        ),
    ]
    where: Places = NOWHERE


class FanOutTable(msgspec.Struct, frozen=True, kw_only=True):
    """One route that asks several."""

    name: Annotated[
        str, Setting(FANOUT_NAME, "", "what metrics and messages call it", "a label needs one", required=True)
    ]
    path: Annotated[str, Setting(PathTemplate(), "", "the path that clients ask", "it is a route", required=True)]
    method: Annotated[
        Method, Setting(MethodName(), "GET", "the method; GET is HEAD, too", "to read is what most of them are for")
    ]
    service: Annotated[
        str | None,
        Setting(
            SERVICE_NAME,
            "",
            "the service whose path it is: its hosts, and the rules for it, hold",
            "the first leg's; nobody else may then register the path",
        ),
    ]
    legs: Annotated[
        tuple[LegTable, ...],
        Setting(
            TableList(LegTable, "leg"),
            "",
            "whom it asks, in the order of the merged document",
            "nobody is not several",
            required=True,
        ),
    ]
    combine: Annotated[
        Combine,
        Setting(
            Word(Combine),
            "merge",
            "what is made of the answers: `merge`, one JSON document with what became of each leg; `all` and `quorum`,"
            " the same if all, or enough, have answered well; `first`, the first good answer as it came",
            "a page with a part missing is better than none, and says which",
        ),
    ]
    quorum: Annotated[
        int,
        Setting(Count(), "0", "good answers that `quorum` needs", "only the operator knows", at_most="256"),
    ]
    width_max: Annotated[
        int,
        Setting(
            Count(),
            "16",
            "legs of one request; above, it is refused",
            "one request must not become a flood",
            at_least="1",
            at_most="256",
            name="width",
        ),
    ]
    at_once: Annotated[
        int,
        Setting(
            Count(),
            "16",
            "legs under way; the others wait for their turn",
            "as many as may be asked",
            at_least="1",
            at_most="256",
        ),
    ]
    leg_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "1s",
            "the time of each leg, within the route's deadline",
            "one that hangs must not use up the whole deadline",
            at_least="1ms",
            at_most="10m",
            name="leg_timeout",
        ),
    ]
    bytes_max: Annotated[
        int,
        Setting(
            Size(),
            "256KiB",
            "bodies of all answers together",
            "one frame carries them, and memory holds them until the last is there",
            at_least="1KiB",
            at_most="512KiB",
            name="bytes",
        ),
    ]
    stops: Annotated[
        bool,
        Setting(
            Flag(),
            "false",
            "whether it ends, and cancels all legs, as soon as it can only fail: with `merge`, on the first failure",
            "what changes something is to reach everybody that it can",
            name="cancel_on_failure",
        ),
    ]
    kept_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "0ms",
            "how long an answer is given again to who asks for the same, who also waits for one that is under way",
            "an old answer is a surprise; 1s takes most of the load off a page that many look at",
            at_most="1m",
            name="cache",
        ),
    ]
    in_flight_max: Annotated[
        int,
        Setting(
            Count(),
            "64",
            "requests at once, each with all its legs; above, they are refused",
            "four times the legs of a wide one for each of sixteen services",
            at_least="1",
            at_most="4096",
            name="in_flight",
        ),
    ]
    where: Places = NOWHERE


def check_fanout(table: FanOutTable) -> Iterator[BadValueError]:
    """Yield what is wrong with a fan-out whose keys are right one by one."""
    if not table.legs:
        yield BadValueError("there is nobody to ask", "name a service", path=("legs",))
    known = parameters_of(table.path)
    for index, leg in enumerate(table.legs):
        unknown = [name for name in parameters_of(leg.path) if name not in known]
        if unknown:
            why = f"the path of the route has no parameter {{{unknown[0]}}}"
            yield BadValueError(why, "use those of its path", path=("legs", index, "path"))
    names = [leg.name or leg.service for leg in table.legs]
    for index, name in enumerate(names):
        if names.index(name) != index:
            yield BadValueError(f"an earlier leg is called {name!r}, too", "give each a name", path=("legs", index))
    sure = sum(leg.instances or 1 for leg in table.legs)
    if sure > table.width_max:
        yield BadValueError(
            f"{sure} legs are more than the width, {table.width_max}", f"set it to {sure}", path=("width",)
        )
    if table.combine is Combine.QUORUM:
        most = table.width_max if any(leg.instances == ALL for leg in table.legs) else sure
        if not 1 <= table.quorum <= most:
            yield BadValueError(f"{table.quorum} of {most} legs is no quorum", f"write 1 to {most}", path=("quorum",))
    elif table.quorum:
        yield BadValueError(f"{table.combine.value} needs no quorum", "leave it out", path=("quorum",))
    if table.kept_ms and table.method not in _SAFE:
        yield BadValueError(f"each {table.method.name} is one of its own", "leave the cache out", path=("cache",))


def make_plans(tables: Iterable[FanOutTable]) -> tuple[FanOutPlan, ...]:
    """Return the plans of tables that were read."""
    return tuple(map(_make_plan, tables))


def owner_of(table: FanOutTable) -> str:
    """Return whose path it is."""
    return table.service or table.legs[0].service


def _make_plan(table: FanOutTable) -> FanOutPlan:
    return FanOutPlan(
        name=table.name,
        service=owner_of(table),
        method=table.method,
        path=table.path,
        legs=tuple(
            LegPlan(name=leg.name or leg.service, service=leg.service, path=leg.path, instances=leg.instances)
            for leg in table.legs
        ),
        combine=table.combine,
        quorum=table.quorum,
        width_max=table.width_max,
        at_once=table.at_once,
        leg_ms=table.leg_ms,
        bytes_max=table.bytes_max,
        stops=table.stops,
        kept_ms=table.kept_ms,
        in_flight_max=table.in_flight_max,
        origin=table.where.table,
    )


def fanout_problems(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    """Yield what is wrong between fan-outs, and with the services that they name."""
    tables: tuple[FanOutTable, ...] = values["fanouts"]
    names: dict[str, int] = {}
    places: dict[tuple[Method, str], int] = {}
    for index, table in enumerate(tables):
        first = names.setdefault(table.name, index)
        if first != index:
            why = f"the fan-out at {origins.place('fanouts', first)} is called {table.name!r} already"
            fix = "give each a name of its own"
            yield Problem("duplicate", f"fanouts[{index}].name", origins.place("fanouts", index, "name"), why, fix)
        first = places.setdefault((table.method, template_shape(table.path)), index)
        if first != index:
            why = (
                f"{table.method.name} {table.path} is asked by the fan-out at {origins.place('fanouts', first)} already"
            )
            fix = "put their legs into one"
            yield Problem("duplicate", f"fanouts[{index}].path", origins.place("fanouts", index, "path"), why, fix)
    if len(tables) > FANOUTS_MAX:
        why = f"there are {len(tables)} fan-outs, and each has metrics of its own"
        yield Problem("too_long", "fanouts", origins.place("fanouts"), why, f"leave it at {FANOUTS_MAX}")
    yield from _unknown_services(tables, values["services.allow"], origins)


def _unknown_services(tables: Sequence[FanOutTable], allowed: Sequence[str], origins: Origins) -> Iterator[Problem]:
    for index, table in enumerate(tables if allowed else ()):
        named: list[tuple[tuple[Step, ...], str | None]] = [(("service",), table.service)]
        named += [(("legs", at, "service"), leg.service) for at, leg in enumerate(table.legs)]
        for path, service in named:
            if service is not None and service not in allowed:
                why = f"{service!r} is not in services.allow, so no such service can register"
                fix = f"add it there, or write one of {', '.join(allowed)}"
                place = origins.place("fanouts", index, *path)
                yield Problem("unknown_service", f"fanouts[{index}]{path_text(path)}", place, why, fix)


FANOUTS = TableList(FanOutTable, "fan-out", check=check_fanout)
"""The kind of the setting ``fanouts``."""
