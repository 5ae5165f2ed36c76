"""A program: frames.codec and httptools decode the same batch in turns; prints nanoseconds per request as JSON.

The batch is what one read brought: 64 requests. Compared are, from the least that is made of it to the most:

- decoded: ``scan`` leaves every frame and field behind as offsets; httptools parses everything, and calls Python only
  at the end of each message, which is its fastest use. Neither makes Python objects of a request: the judged pair
- rows: each frame as a tuple in Python's hands; httptools as before
- every field taken: the target and each field as bytes, in a list per request, which is what a server goes on with
"""

import json
import sys
import time
from collections.abc import Callable

import httptools

from benchmarks.sample_request import FIELD_COUNT, as_frame, as_http
from frames.codec import scan

BATCH = 64
ROUND_NS = 30_000_000
FRAMES = as_frame() * BATCH
REQUESTS = as_http() * BATCH


class EndsOnly:
    """Counts messages."""

    def __init__(self) -> None:
        """Begin at none."""
        self.messages = 0

    def on_message_complete(self) -> None:
        """Count one more."""
        self.messages += 1


class EveryField(EndsOnly):
    """Keeps the target and the fields of each message, as a server does."""

    def __init__(self) -> None:
        """Begin at none."""
        super().__init__()
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []

    def on_message_begin(self) -> None:
        """Forget the fields of the message before."""
        self.fields = []

    def on_url(self, target: bytes) -> None:
        """Keep the target."""
        self.target = target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field."""
        self.fields.append((name, value))


def scan_rows() -> None:
    """Decode the batch, and look at each frame's tuple."""
    for row in scan(FRAMES).rows():
        row[0]


def scan_every_field() -> None:
    """Decode the batch, and take target and fields of each frame."""
    found = scan(FRAMES)
    for row in found.rows():
        found.target(row)
        found.fields(row)


def time_round(work: Callable[[], object]) -> float:
    """Return nanoseconds per request, over at least ROUND_NS."""
    calls = 0
    start = time.perf_counter_ns()
    while True:
        for _ in range(8):
            work()
        calls += 8
        spent = time.perf_counter_ns() - start
        if spent >= ROUND_NS:
            return spent / (calls * BATCH)


def check() -> None:
    """Exit with a reason unless both sides decode the whole batch."""
    found = scan(FRAMES)
    kept = EveryField()
    httptools.HttpRequestParser(kept).feed_data(REQUESTS)
    fields = [len(found.fields(frame)) for frame in found.frames]
    if found.error or found.consumed != len(FRAMES) or fields != [FIELD_COUNT] * BATCH:
        sys.exit(f"frames.codec did not decode the batch: {found!r}")
    if kept.messages != BATCH or len(kept.fields) != FIELD_COUNT:
        sys.exit(f"httptools did not parse the batch: {kept.messages} messages")


def main(rounds: int) -> None:
    """Measure all in turns and print the rounds; one parser per connection lives as long as the connection."""
    check()
    ends_only, every_field = httptools.HttpRequestParser(EndsOnly()), httptools.HttpRequestParser(EveryField())
    contenders: dict[str, Callable[[], object]] = {
        "scan_ns": lambda: scan(FRAMES),
        "scan_rows_ns": scan_rows,
        "httptools_ns": lambda: ends_only.feed_data(REQUESTS),
        "scan_fields_ns": scan_every_field,
        "httptools_fields_ns": lambda: every_field.feed_data(REQUESTS),
    }
    for work in contenders.values():
        time_round(work)
    print(json.dumps([{name: time_round(work) for name, work in contenders.items()} for _ in range(rounds)]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
