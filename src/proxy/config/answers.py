"""Settings of answers that are kept: by the cache, and for Idempotency-Keys."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from penstock.settings import Origins, Problem, Setting
from penstock.settings.files import FilePath
from penstock.settings.types import Choice, Count, Duration, Size


class CacheConfig(msgspec.Struct, frozen=True):
    """The cache of answers to GET, which rules switch on by ``cache``."""

    memory_bytes: Annotated[
        int,
        Setting(
            Size(),
            "64MiB",
            "memory for the answers of all routes; the least used go first",
            "tens of thousands of small answers; nothing of it is taken before a rule asks for it",
            at_most="16GiB",
        ),
    ]
    entry_bytes: Annotated[
        int,
        Setting(
            Size(),
            "256KiB",
            "memory for one answer, which takes twice its length; larger ones are not kept",
            "one large answer would push out hundreds of small ones",
            at_most="4MiB",
        ),
    ]
    wait_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "1s",
            "how long a request waits for the answer to another that asks the same, before it asks by itself",
            "longer than most answers take, and short enough that one slow answer does not hold up all",
            at_least="1ms",
            at_most="1m",
        ),
    ]


class IdempotencyConfig(msgspec.Struct, frozen=True):
    """Answers to requests with an Idempotency-Key, which rules have kept by ``idempotency``."""

    store: Annotated[
        str,
        Setting(
            Choice("memory", "sqlite"),
            "memory",
            "where answers are kept: `memory`, or `sqlite` in a file that survives a restart",
            "it needs no file; what is kept in memory is gone with the process",
            restart=True,
        ),
    ]
    file: Annotated[
        Path | None,
        Setting(
            FilePath(),
            "",
            "the file of `sqlite`; its folder must be there",
            "only the operator knows where",
            restart=True,
        ),
    ]
    entries: Annotated[
        int,
        Setting(
            Count(),
            "100000",
            "keys that are known at once; the oldest answers go before their time where there are more",
            "some thirty megabytes of keys, and a day's payments of most sites",
            at_least="1",
            at_most="10000000",
        ),
    ]
    size_bytes: Annotated[
        int,
        Setting(
            Size(),
            "64MiB",
            "what all answers take together, in memory or in the file; the oldest go before their time",
            "a few hundred bytes are the answer to most that create something",
            at_most="1024GiB",
        ),
    ]
    on_store_failure: Annotated[
        str,
        Setting(
            Choice("open", "closed"),
            "closed",
            "what happens to requests with a new key while answers cannot be written: "
            "`open` keeps them in memory only, `closed` refuses them",
            "who sends a key wants it kept: a refused request can be sent again, a payment made twice cannot be undone",
        ),
    ]


def check_answers(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    """Yield what is wrong with where answers are kept."""
    store, file = values["idempotency.store"], values["idempotency.file"]
    if store == "sqlite" and file is None:
        why = "sqlite keeps answers in a file, and none is named"
        yield Problem("missing", "idempotency.file", origins["idempotency.store"], why, "name the file")
    if store == "memory" and file is not None:
        why = "answers are kept in memory, so nothing is written to this file"
        fix = "set idempotency.store to sqlite, or leave the file out"
        yield Problem("conflict", "idempotency.file", origins["idempotency.file"], why, fix)
