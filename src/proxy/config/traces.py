"""Settings of traces: which requests are sampled, and where their spans go."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from penstock.settings import Problem, Setting
from penstock.settings.numbers import Percent
from penstock.settings.types import BadValueError, Choice, TextKind

from .listeners import conflict

_PERCENT = Percent()
_IS_ENDPOINT = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?").fullmatch


class MaybePercent(TextKind[float | None]):
    """A part of a hundred; empty where another source says it."""

    label = "percentage"
    example = "1%"

    def parse_text(self, text: str) -> float | None:
        """Read ``1%``, or nothing."""
        return _PERCENT.parse_text(text) if text else None

    def render(self, value: float | None) -> str:
        """Return it with the sign, or nothing."""
        return "" if value is None else _PERCENT.render(value)


class CollectorUrl(TextKind[str]):
    """The URL of a collector, without credentials; empty for none."""

    label = "URL"
    example = "http://127.0.0.1:4318/v1/traces"

    def parse_text(self, text: str) -> str:
        """Take a URL of http or https."""
        if text and not _IS_ENDPOINT(text):
            raise BadValueError(
                "it is no URL of http or https, without user, query and fragment", f"write {self.example}"
            )
        return text


class TracesConfig(msgspec.Struct, frozen=True):
    """Spans of sampled requests, by OTLP. All of it takes effect on reload."""

    export: Annotated[
        str,
        Setting(
            Choice("none", "otlp"),
            "none",
            "where spans go: nowhere, or to a collector by OTLP over HTTP",
            "somebody must have a collector; traces go through the gateway in any case",
        ),
    ]
    endpoint: Annotated[
        str,
        Setting(
            CollectorUrl(),
            "",
            "where the collector takes traces; empty: as OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or"
            " OTEL_EXPORTER_OTLP_ENDPOINT says, else http://localhost:4318/v1/traces",
            "most sites set the standard variables for all their processes",
        ),
    ]
    sampled: Annotated[
        float | None,
        Setting(
            MaybePercent(),
            "",
            "the part of the traces begun here that is sampled; those begun elsewhere keep what their beginning says;"
            " empty: as OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG say, else 1%",
            "of a thousand requests a second, ten can be looked at",
        ),
    ]


def check_traces(values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with what is made of records: lines of the access log, and spans."""
    wanted = {"access_log.mode": "off", "traces.export": "none"}
    for name, nothing in wanted.items():
        if values[name] != nothing and not values["metrics.enabled"]:
            why = "it is made of records, and none are kept"
            yield conflict(name, "metrics.enabled", origins, why, f"set metrics.enabled: true, or {name}: {nothing}")
