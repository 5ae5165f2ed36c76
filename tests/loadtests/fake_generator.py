"""A generator that sends little and says what a test wants: what the runner makes of it is tested, and no load.

The first word says what it does: all (to the end of its phases), refuses (before it begins), dies (midway), raves
(writes what is no line), hangs (and never tells its counts).
"""

import os
import signal
import sys
import time
import urllib.request
from pathlib import Path

import msgspec
from loadtests.order import BEGIN, Order, Said, read_order
from loadtests.record import Interval, RequestCounts, Times

from proxy.loading.histogram import Histogram


class Told:
    """Whether a signal has come."""

    is_to_stop = False

    def __init__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self.is_to_stop = True


def main() -> None:
    mode, order_file, out = sys.argv[1], sys.argv[3], sys.argv[5]
    told = Told()
    order = read_order(Path(order_file))
    with open(out, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor

        def say(said: Said) -> None:
            file.write(msgspec.json.encode(said) + b"\n")

        if mode == "refuses":
            say(Said(error="there is nobody; start somebody"))
            return
        say(Said(ready=True))
        assert sys.stdin.buffer.readline() == BEGIN
        if mode == "dies":
            print("something is wrong with me", file=sys.stderr, flush=True)
            os._exit(7)
        if mode == "raves":
            file.write(b"what?\n")
            time.sleep(60)
        if mode == "hangs":
            while True:
                time.sleep(60)
        send(order, told, say)


def send(order: Order, told: Told, say: object) -> None:
    assert callable(say)
    begin, count, every = time.monotonic(), 0, Histogram()
    end_s = order.phases[-1].end_s
    while time.monotonic() < begin + end_s and not told.is_to_stop:
        at, times = time.monotonic(), Histogram()
        try:
            with urllib.request.urlopen(f"http://{order.edge}/items/1") as answer:
                assert answer.status == 200
        except OSError:  # the gateway has gone, as one test wants it
            time.sleep(0.1)
            continue
        took = int((time.monotonic() - at) * 1e6)
        times.record(took)
        every.record(took)
        count += 1
        time.sleep(0.2)
        now = at - begin
        say(Said(interval=Interval(begin_s=now, length_s=0.2, users=1, sent=1, answered=1, times=Times.of(times))))
    counts = RequestCounts(user="fake", name="GET", sent=count, statuses={"200": count}, times=Times.of(every))
    say(Said(requests=[counts]))


if __name__ == "__main__":
    main()
