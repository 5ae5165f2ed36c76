"""What of the machine is enough, by plain values."""

from typing import Final

from .finding import Finding, ok

OWN_DESCRIPTORS: Final = 128
"""Of one process besides its connections: the admin pages' 64, listeners, files, epoll."""
WORKER_BYTES: Final = 48 << 20
"""What a worker takes without traffic, with some routes and features."""
FAST_CLOCKS: Final = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter")
"""What the kernel reads without a system call."""
_MIB: Final = 1 << 20


def judge_descriptors(soft: int, hard: int, needed: int) -> Finding:
    """Whether as many connections can be open as the settings allow. needed: by one process."""
    about = "descriptors"
    if soft >= needed:
        return ok(about, f"{soft:,} may be open in a process, and at most {needed:,} will be")
    what = f"{soft:,} may be open in a process, and with all connections {needed:,} would be; above, clients must wait"
    raised = f"(hard limit {hard:,}; systemd: LimitNOFILE={needed}, else: ulimit -n {needed})"
    return Finding(about, "warning", what, f"raise the limit {raised}, or lower edge.max_connections")


def judge_cores(usable: int, present: int, workers: int) -> Finding:
    """Whether there are as many workers as cores to run them. workers: 0 for a single process."""
    about, running = "workers", max(workers, 1)
    are = f"{present} cores" if present != 1 else "1 core"
    mine = are if usable == present else f"{usable} of {are} (by affinity or the control group's quota)"
    if running > usable:
        what = f"{running} processes share {mine}: they keep each other waiting"
        return Finding(about, "warning", what, f"set workers: auto (PENSTOCK_WORKERS), or {usable}")
    if running < usable and workers == 0:
        what = f"a single process uses 1 of {mine}"
        return Finding(about, "warning", what, "set workers: auto (PENSTOCK_WORKERS), unless the rest is for others")
    return ok(about, f"{running} for {mine}")


def judge_memory(available: int, workers: int, body_bytes: int) -> Finding:
    """Whether bodies in flight fit, at their bound. available: of the machine, or of the control group."""
    about, running = "memory", max(workers, 1)
    needed = running * (WORKER_BYTES + body_bytes)
    share = f"{running} x ({WORKER_BYTES // _MIB} MiB and edge.bytes_in_flight of {body_bytes // _MIB:,} MiB)"
    if needed <= available:
        return ok(about, f"{available // _MIB:,} MiB, and at most about {needed // _MIB:,} MiB are held: {share}")
    what = f"there are {available // _MIB:,} MiB, and up to {needed // _MIB:,} MiB may be held: {share}"
    return Finding(about, "warning", what, "lower edge.bytes_in_flight, start fewer workers, or give it more memory")


def judge_clock(is_synchronised: bool | None) -> Finding:
    """Whether the clock can be believed: tokens and certificates begin and end by it. None: nobody knows."""
    about = "clock"
    if is_synchronised:
        return ok(about, "the kernel says that it is synchronised")
    if is_synchronised is None:
        return ok(about, "whether it is synchronised cannot be told here")
    what = "it is not synchronised, as the kernel says; tokens and certificates are judged by it"
    return Finding(about, "warning", what, "run chrony, systemd-timesyncd or another NTP client on this machine")


def judge_clock_source(source: str) -> Finding:
    """Whether the time can be read without asking the kernel, which is done some times for each batch."""
    about = "clock source"
    if not source or source in FAST_CLOCKS:
        return ok(about, source or "not told by this kernel")
    what = f"{source}: reading the time is a system call, which costs each request"
    return Finding(about, "warning", what, "boot with clocksource=tsc, if the processor's clock is stable")


def judge_backlog(kernel: int, wanted: int) -> Finding:
    """Whether as many connections can wait to be accepted as the gateway asks for."""
    about = "accept queue"
    if kernel >= wanted:
        return ok(about, f"{wanted:,} connections may wait to be accepted (net.core.somaxconn: {kernel:,})")
    what = f"net.core.somaxconn is {kernel:,}, so no more than that wait to be accepted, and not {wanted:,}"
    return Finding(about, "warning", what, f"sysctl -w net.core.somaxconn={wanted}")
