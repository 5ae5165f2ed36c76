"""Settings of rules: the tables of a file's ``rules``, and how they become `proxy.config.rule.Rule`.

A rule holds for the routes of its service, path and methods, and for every route where it names none of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

import msgspec

from frames.frame import Method
from penstock.settings import Setting
from penstock.settings.claims import WantedClaim
from penstock.settings.errors import BadValueError
from penstock.settings.http import MethodName, PathPrefix
from penstock.settings.rate import RATE_LIMIT, RateLimit
from penstock.settings.tables import NOWHERE, ListOf, Places, Table, TableList, TextMap
from penstock.settings.types import Duration, Flag, Size, Text
from penstock.settings.versions import VersionRange
from penstock.settings.words import Word
from proxy.config.rule import Rule, VersionsRule
from proxy.request.route_policy import Access, TenantRule

from .answer_rules import CacheTable, IdempotencyTable, check_cache, make_cache_rule, make_idempotency_rule
from .balances import BalanceTable, make_balance
from .concurrency import ConcurrencyTable, check_concurrency, make_concurrency
from .fault_rules import FaultTable, check_fault, make_fault
from .retry_profiles import PROFILE_NAME
from .services import SERVICE_NAME
from .splits import MirrorTable, SplitTable, check_split, make_mirror, make_split

NONE = "none"
RULE_NAME = Text(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}", "1 to 64 of A-Z a-z 0-9 space . _ -", "canary-of-billing")
_MAP_KIND = Text(r"none|[a-z][a-z0-9_]{0,63}", "1 to 64 of a-z 0-9 _, or none", "aggregate_placement")
_SAYS_NOTHING = "what the service declared"


class VersionsTable(msgspec.Struct, frozen=True, kw_only=True):
    """Which version is chosen, and what a request may name."""

    default: Annotated[
        str | None,
        Setting(VersionRange(), "", "the version of a request that names none", "the highest that is no pre-release"),
    ]
    takes_ranges: Annotated[
        bool | None,
        Setting(Flag(), "", "whether a request may name a range", "a range hides which version answers", name="ranges"),
    ]
    where: Places = NOWHERE


class RuleTable(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as it is written. Of what it says nothing about, None stands here."""

    name: Annotated[str, Setting(RULE_NAME, "", "what messages call it", "its line says which it is, too")]
    service: Annotated[str | None, Setting(SERVICE_NAME, "", "the service that it is for", "it is for all of them")]
    path: Annotated[
        str | None, Setting(PathPrefix(), "", "the path that it is for, with all below", "it is for all of them")
    ]
    methods: Annotated[
        tuple[Method, ...] | None,
        Setting(
            ListOf(MethodName(), "method"), "", "the methods that it is for; GET is HEAD, too", "it is for all of them"
        ),
    ]
    access: Annotated[
        Access | None, Setting(Word(Access), "", "who may ask: only ever stricter than declared", _SAYS_NOTHING)
    ]
    claims: Annotated[
        Mapping[str, frozenset[str]] | None,
        Setting(TextMap(WantedClaim()), "", "claims that an identity must have, by name", _SAYS_NOTHING),
    ]
    tenant: Annotated[
        TenantRule | None, Setting(Word(TenantRule), "", "whether a request must name its tenant", _SAYS_NOTHING)
    ]
    rate_limits: Annotated[
        tuple[RateLimit, ...] | None,
        Setting(ListOf(RATE_LIMIT), "", "how often it may be asked, beside what is declared", _SAYS_NOTHING),
    ]
    deadline_ms: Annotated[
        int | None,
        Setting(Duration("ms"), "", "the most time that a request may take", "edge.deadline", at_least="1ms"),
    ]
    body_bytes: Annotated[
        int | None, Setting(Size(), "", "the longest body", "edge.buffered_bytes, or edge.call_bytes for streams")
    ]
    versions: Annotated[
        VersionsTable | None,
        Setting(Table(VersionsTable, label="table of versions"), "", "which version is chosen", "the highest"),
    ]
    split: Annotated[
        SplitTable | None,
        Setting(
            Table(SplitTable, label="split", check=check_split),
            "",
            "which part of the requests gets which version; {} for no split",
            "all get the same",
        ),
    ]
    mirror: Annotated[
        MirrorTable | None,
        Setting(Table(MirrorTable, label="mirror"), "", "the version that gets copies", "no copies are made"),
    ]
    placement: Annotated[
        str | None,
        Setting(_MAP_KIND, "", "the kind of map that places its tenants; none for no map", "every instance serves all"),
    ]
    balance: Annotated[
        BalanceTable | None,
        Setting(
            Table(BalanceTable, label="balance"),
            "",
            "how one of several instances is chosen; {} for as balancing says",
            "as balancing says",
        ),
    ]
    faults: Annotated[
        tuple[FaultTable, ...] | None,
        Setting(
            TableList(FaultTable, "fault", check=check_fault),
            "",
            "faults on purpose, tried in their order, where faults.enabled is on; [] for none",
            "nothing is harmed on purpose",
        ),
    ]
    cache: Annotated[
        CacheTable | None,
        Setting(
            Table(CacheTable, label="cache", check=check_cache),
            "",
            "answers to GET may be kept, and given to others who ask the same",
            "every request is answered by a service",
        ),
    ]
    idempotency: Annotated[
        IdempotencyTable | None,
        Setting(
            Table(IdempotencyTable, label="idempotency"),
            "",
            "the first answer to an Idempotency-Key is kept, and given to whoever sends the same request again",
            "keys are the services' own matter",
        ),
    ]
    retries: Annotated[
        str | None,
        Setting(
            PROFILE_NAME,
            "",
            "the profile by which its requests are sent again: read, mutation, none, or one of retries.profiles",
            "read for GET, HEAD and OPTIONS, mutation for others",
        ),
    ]
    concurrency: Annotated[
        ConcurrencyTable | None,
        Setting(
            Table(ConcurrencyTable, label="table of concurrency", check=check_concurrency),
            "",
            "how many requests may be with it at once, and how many wait; {} for no limit",
            "as many as come",
        ),
    ]
    stream_idle_timeout_ms: Annotated[
        int | None,
        Setting(
            Duration("ms"),
            "",
            "how long a stream of its may stay without a byte in either direction",
            "edge.stream_idle_timeout",
            at_least="10ms",
            at_most="24h",
        ),
    ]
    where: Places = NOWHERE


_SELECTS = ("name", "service", "path", "methods", "where")


def check_rule(rule: RuleTable) -> Iterator[BadValueError]:
    """Yield what is wrong with a rule whose keys are right one by one."""
    if all(getattr(rule, field) is None for field in rule.__struct_fields__ if field not in _SELECTS):
        fix = "say access, rate_limits, deadline, split or another of its keys, or remove the rule"
        yield BadValueError("the rule says nothing about the routes that it is for", fix, shown="")
    if rule.claims and rule.access is Access.PUBLIC:
        why = "who is let in without an identity has no claims"
        yield BadValueError(why, "write access: authenticated, or leave out the claims", path=("claims",))


def make_rules(tables: Iterable[RuleTable]) -> tuple[Rule, ...]:
    """Return the rules of tables that were read."""
    return tuple(_make_rule(table) for table in tables)


def _with_head(methods: Iterable[Method]) -> frozenset[Method]:
    """HEAD asks for what GET would say (RFC 9110, section 9.3.2): what protects the one has to protect the other."""
    said = frozenset(methods)
    return said | {Method.HEAD} if Method.GET in said else said


def _make_rule(table: RuleTable) -> Rule:
    return Rule(
        origin=table.where.table,
        name=table.name,
        service=table.service,
        path=table.path,
        methods=_with_head(table.methods) if table.methods else None,
        access=table.access,
        claims=table.claims,
        tenant=table.tenant,
        rate_limits=table.rate_limits,
        deadline_ms=table.deadline_ms,
        body_bytes=table.body_bytes,
        versions=_make_versions(table.versions),
        split=None if table.split is None else make_split(table.split),
        mirror=None if table.mirror is None else make_mirror(table.mirror),
        placement="" if table.placement == NONE else table.placement,
        balance=None if table.balance is None else make_balance(table.balance),
        retries=table.retries,
        stream_idle_ms=table.stream_idle_timeout_ms,
        faults=None if table.faults is None else tuple(map(make_fault, table.faults)),
        cache=None if table.cache is None else make_cache_rule(table.cache),
        idempotency=None if table.idempotency is None else make_idempotency_rule(table.idempotency),
        concurrency=None if table.concurrency is None else make_concurrency(table.concurrency),
    )


def _make_versions(table: VersionsTable | None) -> VersionsRule | None:
    return None if table is None else VersionsRule(default=table.default, takes_ranges=table.takes_ranges)


RULES = TableList(RuleTable, "rule", check=check_rule)
"""The kind of the setting ``rules``."""
