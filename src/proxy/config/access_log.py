"""Settings of the access log, and of what it, traces and pages show of a request."""

from pathlib import Path
from typing import Annotated

import msgspec

from penstock.settings import Setting
from penstock.settings.numbers import Percent
from penstock.settings.types import BadValueError, Choice, Count, Duration, TextKind

STREAMS = ("stdout", "stderr")


class LogOutput(TextKind[str]):
    """Where lines go: `stdout`, `stderr`, or the path of a file, from the root on."""

    label = "output"
    example = "stdout, stderr or /var/log/penstock/access.log"

    def parse_text(self, text: str) -> str:
        """Take the word or the path. Whether the file can be written is asked later."""
        if text not in STREAMS and (not Path(text).is_absolute() or "\0" in text):
            raise BadValueError(
                f"{text[:64]!r} is neither stdout, stderr nor a path from the root on", f"write {self.example}"
            )
        return text


class AccessLogConfig(msgspec.Struct, frozen=True):
    """Which requests get a line of their own, and where. All of it takes effect on reload."""

    mode: Annotated[
        str,
        Setting(
            Choice("off", "sampled", "all"),
            "off",
            "which requests get a line: none, those that chance draws (access_log.sampled), or all",
            "metrics count every request, and recent ones are kept anyway; lines cost time and disk",
        ),
    ]
    sampled: Annotated[
        float,
        Setting(
            Percent(),
            "1%",
            "the part of requests that `sampled` draws",
            "enough to see what is asked, and nothing that is felt",
        ),
    ]
    format: Annotated[
        str,
        Setting(
            Choice("json", "text"),
            "json",
            "a JSON object on each line, or a line for people",
            "programs read it more often than people",
        ),
    ]
    output: Annotated[
        str,
        Setting(
            LogOutput(),
            "stdout",
            "where the lines go: stdout, stderr, or a file, which is opened again on reload",
            "the log of the gateway itself goes to stderr",
        ),
    ]


class RecordsConfig(msgspec.Struct, frozen=True):
    """What is kept of requests that have ended, and shown by the access log, traces and pages."""

    query: Annotated[
        str,
        Setting(
            Choice("none", "names", "whole"),
            "names",
            "what is shown of a request's query: nothing, the names with stars in place of the values, or all of it",
            "a query may hold tokens and names of people, and a log is read by many",
        ),
    ]
    recent: Annotated[
        int,
        Setting(
            Count(),
            "512",
            "how many of the last requests are kept for `penstock tail` and `penstock trace`, in each worker",
            "each takes some 550 bytes once it is there",
            at_least="1",
            at_most="65536",
            restart=True,
        ),
    ]
    notable: Annotated[
        int,
        Setting(
            Count(),
            "1024",
            "how many of those beside that failed, were slow, were sent more than once or were left by their clients",
            "they are what is asked for minutes later, when the last ones are others",
            at_least="1",
            at_most="65536",
            restart=True,
        ),
    ]
    slow_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "1s",
            "from how long on a request was slow",
            "what a person notices",
            at_least="1ms",
            at_most="1h",
            restart=True,
        ),
    ]
