"""A plan in several processes, of which each makes a part of the load, and their results as one.

A part is this module as a program. It reads its plan and target as a line of JSON from its standard input, connects,
and writes lines of JSON: `{"connected": n}`, each second, and the result. It begins when a second line comes, so that
all parts begin together. When its input ends, whoever wanted to know has gone, and so does the part.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import zip_longest
from typing import IO, Any

import msgspec

from .arrivals import Arrivals
from .histogram import Histogram
from .many import run_without_pauses
from .result import LoadError, Result, Second
from .run import Plan, Run
from .seconds import Seconds
from .targets import Target, make_dial

END_S = 5.0


class Order(msgspec.Struct, frozen=True):
    """What a part is told to do."""

    plan: Plan
    target: Target


def split(plan: Plan, processes: int) -> list[Plan]:
    """Return the plans of the parts: together they send what the plan says, over as many connections."""
    arrivals, plans = plan.arrivals, []
    for part in range(processes):
        rate = arrivals.rate / processes
        begin_s = part / arrivals.rate if arrivals.spacing == "even" else 0.0  # so that they do not send all at once
        share = Arrivals(rate, arrivals.duration_s, arrivals.spacing, arrivals.seed + part, begin_s)
        connections = plan.connections // processes + (part < plan.connections % processes)
        plans.append(msgspec.structs.replace(plan, arrivals=share, connections=max(1, connections)))
    return plans


def measure_in_parts(plan: Plan, target: Target, processes: int, tell: Callable[[Second], None]) -> Result:
    """Run the parts, and return their results as one. Raises `LoadError`."""
    parts: list[_Part] = []
    try:
        for share in split(plan, processes):
            parts.append(_Part(Order(share, target)))
        for part in parts:
            part.wait_connected()
        with _passing_interrupts_on(parts):
            for part in parts:
                part.say("begin")
            results = _follow(parts, tell)
        return merge(plan, results)
    finally:
        for part in parts:
            part.end()


def merge(plan: Plan, results: list[Result]) -> Result:
    """Return the results of parts that ran at the same time as one."""
    whole = Result(target=plan.target, rate=plan.arrivals.rate)
    for each in results:
        whole.duration_us = max(whole.duration_us, each.duration_us)
        whole.due += each.due
        whole.sent += each.sent
        whole.connections += each.connections
        whole.body_bytes += each.body_bytes
        whole.statuses.update(each.statuses)
        whole.failures.update(each.failures)
        whole.connection_failures.update(each.connection_failures)
        for name in ("latency", "service_time", "lateness", "connection_wait"):
            getattr(whole, name).merge(getattr(each, name))
        if each.busy > whole.busy:  # the busiest says whether they had time enough
            whole.busy_us, whole.wall_us = each.busy_us, each.wall_us
        whole.is_stopped = whole.is_stopped or each.is_stopped
    whole.seconds = [merge_seconds(same) for same in _side_by_side([result.seconds for result in results])]
    return whole


def _side_by_side(lists: list[list[Second]]) -> list[list[Second]]:
    return [[each for each in same if each is not None] for same in zip_longest(*lists)]


def merge_seconds(same: list[Second]) -> Second:
    """Return one second of several parts as one. Of the percentiles the worst is told, since no more is known."""
    return Second(
        second=same[0].second,
        sent=sum(each.sent for each in same),
        answered=sum(each.answered for each in same),
        failed=sum(each.failed for each in same),
        p50_us=max(each.p50_us for each in same),
        p99_us=max(each.p99_us for each in same),
        max_us=max(each.max_us for each in same),
    )


class _Part:
    """One of the processes, from outside."""

    def __init__(self, order: Order) -> None:
        line = [sys.executable, "-P", "-m", "proxy.loading.parts"]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ourselves
        self._send(msgspec.json.encode(order))

    def say(self, word: str) -> None:
        self._send(word.encode())

    def wait_connected(self) -> None:
        told = self.read()
        if told is None:
            raise LoadError("a part of the load has ended before it began; what it wrote above says why")
        if "error" in told:
            raise LoadError(told["error"])

    def read(self) -> dict[str, Any] | None:
        """Return the next line that it writes; None where there will be none."""
        line = _pipe(self._process.stdout).readline()
        return msgspec.json.decode(line) if line.endswith(b"\n") else None

    def interrupt(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """End it, if it has not ended by itself."""
        _pipe(self._process.stdin).close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()

    def _send(self, line: bytes) -> None:
        pipe = _pipe(self._process.stdin)
        try:
            pipe.write(line + b"\n")
            pipe.flush()
        except BrokenPipeError:  # it has ended, which reading tells
            pass


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - both were asked for
    return pipe


def _follow(parts: list[_Part], tell: Callable[[Second], None]) -> list[Result]:
    """Read what the parts write until each has told its result; of seconds, when all have told one."""
    results: dict[int, Result] = {}
    while len(results) < len(parts):
        same = []
        for at, part in enumerate(parts):
            told = None if at in results else part.read()
            if told is None and at not in results:
                raise LoadError("a part of the load has ended early; what it wrote above says why")
            if told is not None and "second" in told:
                same.append(msgspec.convert(told, Second))
            elif told is not None:
                results[at] = read_result(told)
        if same:
            tell(merge_seconds(same))
    return list(results.values())


@contextmanager
def _passing_interrupts_on(parts: list[_Part]) -> Iterator[None]:
    """Have the first interrupt end the parts early: a terminal tells them, too, and whoever sends it to us alone does
    not. It raises nothing here, where it could come in the midst of a line. A second one is an interrupt as always.
    Who is started in the background, and ignores them, ignores this one too.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return

    def pass_on(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        for part in parts:
            part.interrupt()

    before = signal.signal(signal.SIGINT, pass_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# ---- within a part ----


def write_result(result: Result) -> dict[str, Any]:
    """Return a result as plain values that `read_result` reads."""
    plain: dict[str, Any] = {name: getattr(result, name) for name in result.__struct_fields__}
    return {
        name: value.to_plain() if isinstance(value, Histogram) else msgspec.to_builtins(value, str_keys=True)
        for name, value in plain.items()
    }


def read_result(plain: dict[str, Any]) -> Result:
    """Return the result that `write_result` has written."""
    values: dict[str, Any] = dict(plain)
    for name in ("latency", "service_time", "lateness", "connection_wait"):
        values[name] = Histogram.from_plain(plain[name])
    values["seconds"] = msgspec.convert(plain["seconds"], list[Second])
    result = Result(target=values.pop("target"), rate=values.pop("rate"))
    for name, count in values.pop("statuses").items():
        result.statuses[int(name)] = count
    for name in ("failures", "connection_failures"):
        getattr(result, name).update(values.pop(name))
    for name, value in values.items():
        setattr(result, name, value)
    return result


def _write(value: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


def _leave_with_input() -> None:
    """Wait in a thread for the end of the input, and end the process then: nobody reads what it would tell."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def _interrupt_once(_number: int, _frame: object) -> None:
    """Raise KeyboardInterrupt, and never again: a terminal tells all parts, and so does whoever started them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    """Be a part."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as it is in the background of a shell
        signal.signal(signal.SIGINT, _interrupt_once)
    with suppress(KeyboardInterrupt):  # before there is anything to tell of
        _be_a_part()


def _be_a_part() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    run = Run(order.plan, make_dial(order.target), seconds=Seconds(_write))
    try:
        run.connect()
    except LoadError as error:
        _write({"error": str(error)})
        return
    try:
        _write({"connected": run.result.connections})
        if not sys.stdin.buffer.readline():
            return
        threading.Thread(target=_leave_with_input, daemon=True).start()
        result = run_without_pauses(run)
    except KeyboardInterrupt:  # before it has begun
        result = run.result
        result.is_stopped = True
    _write(write_result(result))
    run.close()


if __name__ == "__main__":
    main()
