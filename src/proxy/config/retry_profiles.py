"""Settings of retry profiles: the tables of ``retries.profiles``. A rule names one, or one that is always there."""

from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec

from penstock.settings import Setting
from penstock.settings.errors import BadValueError
from penstock.settings.numbers import Percent
from penstock.settings.tables import NOWHERE, ListOf, Places, Table, TextMap
from penstock.settings.types import Count, Duration, Flag, Text
from penstock.settings.words import Word

from ..attempts.profiles import BUILT_IN, Profile, Repeats

PROFILE_NAME = Text(r"[a-z][a-z0-9_-]{0,63}", "1 to 64 of a-z 0-9 _ -, beginning with a letter", "patient")
HEDGE_MAX_PERCENT = 50
"""The slower half. Beyond, a second attempt would be made of what is as fast as usual."""
_STATUSES = "429 or 500 to 599"


class Status(Count):
    """A status after which it can be tried again: what says that a service has failed, or has too much to do."""

    label = "status"
    example = "503"

    def parse_text(self, text: str) -> int:
        """Read 429, or 500 to 599."""
        value = super().parse_text(text)
        if value != 429 and not 500 <= value <= 599:
            raise BadValueError(f"{text} is an answer that is final", f"write {_STATUSES}")
        return value


class ProfileTable(msgspec.Struct, frozen=True, kw_only=True):
    """One profile as it is written."""

    attempts: Annotated[
        int,
        Setting(
            Count(), "3", "how often a request is sent in all", "a third one rarely helps", at_least="1", at_most="10"
        ),
    ]
    statuses: Annotated[
        tuple[int, ...],
        Setting(
            ListOf(Status(), "status"),
            "502, 503, 504",
            "answers of a service after which it is sent again; [] for none",
            "they say that something is wrong for now",
        ),
    ]
    backoff_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "25ms",
            "the first wait is drawn from 0 to this, each later one from twice as much",
            "those that failed together do not come back together",
            at_most="1m",
        ),
    ]
    backoff_max_ms: Annotated[
        int, Setting(Duration("ms"), "250ms", "the longest wait", "a client waits, too", at_most="10m")
    ]
    attempt_timeout_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "0ms",
            "after so long without an answer, another attempt takes this one's place; 0ms: never",
            "nobody else knows how long a healthy answer takes",
            at_most="1h",
        ),
    ]
    elsewhere: Annotated[
        bool, Setting(Flag(), "true", "whether an instance that was not asked yet comes first", "it may be better off")
    ]
    repeats: Annotated[
        Repeats,
        Setting(
            Word(Repeats),
            "safe",
            "what is sent again that a service may have started: `safe`: GET, HEAD, OPTIONS, and what has an"
            " Idempotency-Key where the endpoint declares idempotence; `declared`: also without the key; `keyed`:"
            " only with it",
            "what may have been done must not be done twice",
        ),
    ]
    hedge: Annotated[
        float,
        Setting(
            Percent(),
            "0%",
            "the part of GET, HEAD and OPTIONS requests that get a second attempt, at another instance, when only so"
            " many of all are still without an answer; the first good answer wins. 50% at most; 0%: none",
            "it costs that much more load; 5% takes the longest waits away where instances pause now and then",
        ),
    ]
    where: Places = NOWHERE


def _check_profile(table: ProfileTable) -> Iterator[BadValueError]:
    if table.backoff_ms > table.backoff_max_ms:
        why = "the first wait may be longer than the longest"
        yield BadValueError(why, "raise backoff_max, or lower backoff", path=("backoff",))
    if table.hedge and table.attempts < 2:
        yield BadValueError("a hedge is a second attempt", "raise attempts, or leave hedge out", path=("hedge",))
    if table.hedge > HEDGE_MAX_PERCENT:
        why = f"{Percent().render(table.hedge)} of the requests are not the slow ones: they would be sent twice"
        yield BadValueError(why, f"write {HEDGE_MAX_PERCENT}% at most, like 5%", path=("hedge",))


def make_profiles(tables: Mapping[str, ProfileTable]) -> Mapping[str, Profile]:
    """Return all profiles that there are, by name: those of tables that were read, and those that always are."""
    made = {
        name: Profile(
            name=name,
            attempts=table.attempts,
            statuses=frozenset(table.statuses),
            backoff_ms=table.backoff_ms,
            backoff_max_ms=table.backoff_max_ms,
            attempt_ms=table.attempt_timeout_ms,
            elsewhere=table.elsewhere,
            repeats=table.repeats,
            hedge=table.hedge,
        )
        for name, table in tables.items()
    }
    return {**made, **BUILT_IN}


PROFILES = TextMap(Table(ProfileTable, label="profile", check=_check_profile), key=PROFILE_NAME)
"""The kind of the setting ``retries.profiles``."""
