"""What is made of records of exchanges by itself: lines of the access log, and spans of sampled requests.

The wire writes records whether anybody looks or not. Where settings ask for lines or spans, a task reads those that are
drawn for them, some at a time, and gives them to a writer's thread and to an exporter's; neither holds it up. Nothing
of this is loaded before that.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Final, NoReturn

import trio

from proxy.config import GatewayConfig

if TYPE_CHECKING:
    from frames.records import ExchangeRecord
    from penstock.telemetry.writer import Counts
    from penstock.tracing.exporting import SpanExport
    from proxy.access_log.log import AccessLog
    from proxy.gateway.app import Gateway
    from proxy.records.names import Names
    from proxy.traces.sampled import Sampled

SLICE: Final = 64
"""Records of one look: their lines take the better part of a millisecond, and then traffic has its turn. So under too
much of it lines are lost, and counted, before requests wait for them.
"""
PAUSE_S: Final = 0.05
"""Between two looks when all was read: 4,096 records are kept until then."""
FINISH_S: Final = 3.0
"""At the end, for the spans that wait."""


class Recording:
    """The access log and the export of traces of one gateway, as its settings want them."""

    def __init__(self, gateway: "Gateway", config: GatewayConfig) -> None:
        """Begin by the configuration. Raises `SettingsError`: the file of the access log cannot be written."""
        self._gateway = gateway
        self._config = config
        self._is_wanted = trio.Event()
        self._log: AccessLog | None = None
        self._export: SpanExport[Sampled] | None = None
        self._former_logs: list[AccessLog] = []
        self._past_lines = (0, 0, 0, 0)
        self._former_exports: list[SpanExport[Sampled]] = []
        self._nursery: trio.Nursery | None = None
        self._opened: AccessLog | None = None
        self._read = 0
        self.overwritten = 0
        """Records that were drawn and not read in time."""
        if _is_wanted(config):
            self._opened = self._open(config)
            self.change(config)

    @cached_property
    def names(self) -> "Names":
        """What the numbers in records mean."""
        from proxy.records.names import InstanceName, Names

        assembly, registry = self._gateway.assembly, self._gateway.registry

        def template_of(key: "tuple[object, ...]") -> str | None:
            route = assembly.route(key)  # type: ignore[arg-type]
            return route.template if route else None

        def instance_of(connection: int) -> InstanceName | None:
            told = registry.who_was(connection)
            return InstanceName(*told) if told else None

        return Names(assembly.key, template_of, instance_of, worker=self._gateway.worker_id)

    # ---- by the configuration ----

    async def prepare(self, config: GatewayConfig) -> None:
        """Open the access log of another configuration, also where it is the same file: it may have been moved.

        Raises `SettingsError`: it cannot be written.
        """
        self._drop_opened()
        self._opened = await trio.to_thread.run_sync(self._open, config)

    def change(self, config: GatewayConfig) -> None:
        """Follow another configuration, which was prepared."""
        before, self._config = self._config, config
        if _is_wanted(config):
            self._is_wanted.set()
        elif not _is_wanted(before):
            return
        self._swap_log()
        self._swap_export(config, is_same=before is not config and _spans_of(before) == _spans_of(config))
        self._watch(config)

    def _watch(self, config: GatewayConfig) -> None:
        from frames.records import RecordRing

        wire, log = self._gateway.wire, config.access_log
        if self._log is None and self._export is None:
            self._read = wire.record_sequence(RecordRing.WATCHED)
        ratio = {"off": 0.0, "all": 1.0}.get(log.mode, log.sampled / 100)
        wire.watch_records(ratio, sampled=self._export is not None)
        if self._export is None:
            wire.sample_traces(0.0, own_spans=False)
        else:
            from proxy.traces.gateway import ratio_of

            wire.sample_traces(ratio_of(config.traces.sampled), own_spans=True)

    def _open(self, config: GatewayConfig) -> "AccessLog | None":
        settings = config.access_log
        if settings.mode == "off":
            return None
        from penstock.telemetry.logs import process_logs
        from proxy.access_log.log import AccessLog

        logs = process_logs()
        redact: Callable[[bytes], bytes] = logs.redact.known if logs else bytes  # targets are looked at when shown
        return AccessLog(settings.format, settings.output, config.records.query, redact)

    def _swap_log(self) -> None:
        before, self._log, self._opened = self._log, self._opened, None
        if before is not None:
            self._close_log(before)

    def _drop_opened(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _swap_export(self, config: GatewayConfig, *, is_same: bool) -> None:
        if self._export is not None:
            if is_same:
                return
            self._end_export()
        from proxy.traces.gateway import is_switched_off, make_export

        if config.traces.export == "none" or is_switched_off():
            return
        from proxy import __version__

        self._export = make_export(
            lambda: self._gateway.name, __version__, config.records.query, config.traces.endpoint
        )
        if self._nursery is not None:
            self._nursery.start_soon(self._export.run)

    def _end_export(self) -> None:
        if self._export is not None:
            self._export.end(FINISH_S)
            self._former_exports.append(self._export)
            self._export = None

    # ---- while serving ----

    async def run(self) -> NoReturn:
        """Read what is drawn, until cancelled."""
        await self._is_wanted.wait()
        try:
            async with trio.open_nursery() as self._nursery:
                if self._export is not None:
                    self._nursery.start_soon(self._export.run)
                while True:
                    if self._take_some():
                        await trio.sleep(PAUSE_S)
                    else:
                        await trio.lowlevel.checkpoint()
        finally:
            self._nursery = None
            self._drop_opened()
            if self._log is not None:
                self._log.close()
        raise AssertionError("it reads until it is cancelled")

    async def finish(self) -> None:
        """At the end of a drain: take what is left, and see it off."""
        if not self._is_wanted.is_set():
            return
        while not self._take_some():  # noqa: ASYNC110 - it is not waited for, but given way to
            await trio.lowlevel.checkpoint()
        self._end_export()
        if self._nursery is not None:
            for export in self._former_exports:
                await export.ended.wait()

    def _take_some(self) -> bool:
        """Take some of the records that are drawn, and return whether there are no more now."""
        from frames.records import RecordRing

        records, overwritten = self._gateway.wire.records(RecordRing.WATCHED, self._read, SLICE)
        self.overwritten += overwritten
        if records:
            self._read = records[-1].sequence
            self._take(records)
        return len(records) < SLICE

    def _take(self, records: "list[ExchangeRecord]") -> None:
        names = self.names
        if self._log is not None:
            self._log.write((record for record in records if record.is_logged), names)
        if self._export is not None:
            from proxy.traces.sampled import sampled_of

            for record in records:
                if record.is_sampled:
                    self._export.give(sampled_of(record, names))

    def _close_log(self, log: "AccessLog") -> None:
        """Close it in a thread: it may wait for its reader."""
        self._former_logs.append(log)
        if self._nursery is None:
            log.close()
        else:
            self._nursery.start_soon(self._close_beside_traffic, log)

    async def _close_beside_traffic(self, log: "AccessLog") -> None:
        await trio.to_thread.run_sync(log.close, abandon_on_cancel=True)
        if log.has_ended:  # what has become of its lines is settled: there may be a thousand reloads
            self._former_logs.remove(log)
            written, dropped, failed, _ = map(sum, zip(self._past_lines, log.counts, strict=True))
            self._past_lines = (written, dropped, failed, 0)

    # ---- figures ----

    @property
    def counts(self) -> "dict[str, Counts]":
        """What became of lines and of sampled requests, of all that there were; empty where none was ever wanted."""
        if not self._is_wanted.is_set():
            return {}
        from penstock.telemetry.writer import Counts

        found = {}
        logs = [*self._former_logs, *([self._log] if self._log is not None else [])]
        exports = [*self._former_exports, *([self._export] if self._export is not None else [])]
        if logs or any(self._past_lines):
            each_log = (self._past_lines, *(log.counts for log in logs))
            written, dropped, failed, waiting = map(sum, zip(*each_log, strict=True))
            found["access_log"] = Counts(written, dropped + self.overwritten, failed, waiting)
        if exports:
            each = ((one.exported, one.dropped, one.failed, len(one)) for one in exports)
            found["traces"] = Counts(*map(sum, zip(*each, strict=True)))
        return found


def _is_wanted(config: GatewayConfig) -> bool:
    return config.access_log.mode != "off" or config.traces.export != "none"


def _spans_of(config: GatewayConfig) -> tuple[str, ...]:
    """What the export of spans is made by."""
    return (config.traces.export, config.traces.endpoint, config.records.query)
