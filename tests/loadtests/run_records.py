"""Records of runs that never were: what a sound gateway would show, with one defect each if wanted. Seeded."""

import random

import msgspec
from loadtests.record import (
    Facts,
    GatewaySample,
    Interval,
    MachineSample,
    Phase,
    ProcessSample,
    Record,
    RequestCounts,
    Role,
    Sample,
    Times,
    WorkerSample,
    merged_times,
)

from proxy.loading.histogram import Histogram

FACTS = Facts(
    name="soak",
    started_unix_s=1_700_000_000.0,
    planned_s=600.0,
    shape="soak",
    loop="closed",
    users=["http_edge"],
    interval_s=1.0,
    command=["python", "-m", "loadtests"],
    version="0.1.0",
    revision="",
    workers=2,
    machine={"processor": "one", "cores": "2"},
)
WARM_S, LOAD_S, QUIET_S, RATE = 30, 540, 30, 400


class Defects(msgspec.Struct, frozen=True):
    """What is wrong with the gateway; nothing by default."""

    bytes_per_request: float = 0.0
    descriptors_per_request: float = 0.0
    tasks_per_request: float = 0.0
    drift: float = 0.0
    """Of the 99th percentile, from the first second to the last: 0.15 is 15 %."""
    lost_per_request: float = 0.0
    generator_cores: float = 0.4
    others_cores: float = 0.02


def run_record(defects: Defects = Defects(), seed: int = 1, noise: float = 0.03) -> Record:  # noqa: B008 - frozen
    """Return the record of ten minutes at 400 requests a second."""
    chance = random.Random(seed)
    record = Record(
        facts=FACTS,
        ended="complete",
        duration_s=float(WARM_S + LOAD_S + QUIET_S),
        phases=[
            Phase("warm up", "warm_up", 0, WARM_S),
            Phase("steady", "load", WARM_S, WARM_S + LOAD_S),
            Phase("quiet", "quiet", WARM_S + LOAD_S, WARM_S + LOAD_S + QUIET_S),
        ],
    )
    record.samples.append(_sample(0, 0, 0, defects, chance))
    sent = lost = 0
    mood = 1.0  # what is slow in one second is likely to be so in the next
    for second in range(WARM_S + LOAD_S + QUIET_S):
        is_loaded = second < WARM_S + LOAD_S
        count = RATE if is_loaded else 0
        sent += count
        lost_now = int(sent * defects.lost_per_request) - lost
        lost += lost_now
        mood = 1 + 0.8 * (mood - 1) + chance.gauss(0, noise)
        slow = 1 + defects.drift * second / (WARM_S + LOAD_S)
        times = [max(50, int(chance.gauss(900, 120) * mood)) for _ in range(min(count, 60) - 2)]
        times += [int(chance.uniform(4_500, 5_500) * mood * slow) for _ in range(2 if count else 0)]
        record.intervals.append(
            Interval(
                begin_s=float(second),
                length_s=1.0,
                users=20,
                sent=count,
                answered=count - lost_now,
                failed=lost_now,
                statuses={"200": count - lost_now} if count else {},
                times=Times.of(Histogram.of(times)),
            )
        )
        record.samples.append(_sample(second + 1, sent, sent - lost, defects, chance))
    record.requests.append(
        RequestCounts(
            user="http_edge",
            name="GET /items",
            sent=sent,
            statuses={"200": sent - lost},
            failures={"no answer in 5 s": lost} if lost else {},
            times=Times.of(merged_times(each.times for each in record.intervals)),
        )
    )
    return record


def _sample(at_s: int, sent: int, answers: int, defects: Defects, chance: random.Random) -> Sample:
    is_loaded = 0 < at_s <= WARM_S + LOAD_S
    clients = 20 if is_loaded else 0
    leaked = defects.bytes_per_request * sent
    warm = 3_000_000 * (1 - 0.9 ** (at_s / 5))
    workers = [
        ProcessSample(
            name=f"worker-{slot}",
            role="worker",
            pid=100 + slot,
            rss_bytes=int(36_000_000 + warm + leaked / 2 + chance.choice([0, 4_096, 131_072])),
            descriptors=18 + clients // 2 + int(defects.descriptors_per_request * sent / 2),
            threads=2,
            cpu_s_total=0.2 * at_s,
        )
        for slot in range(2)
    ]
    roles: list[tuple[Role, int, float]] = [
        ("supervisor", 99, 0.01),
        ("service", 110, 0.2),
        ("generator", 120, defects.generator_cores),
    ]
    others = [
        ProcessSample(
            name=role, role=role, pid=pid, rss_bytes=30_000_000, descriptors=12, threads=1, cpu_s_total=cores * at_s
        )
        for role, pid, cores in roles
    ]
    own = 0.4 + 0.21 + defects.generator_cores
    gateway = GatewaySample(
        tasks=24 + int(defects.tasks_per_request * sent) + (chance.randrange(6) if is_loaded else 0),
        exchanges=chance.randrange(8) if is_loaded else 0,
        clients=clients,
        services=2,
        requests_total=sent,
        answers_total=answers,
        workers=[WorkerSample(id=f"{slot}.0", pid=100 + slot, state="serving") for slot in range(2)],
        is_ready=True,
    )
    machine = MachineSample(
        busy_s_total=(own + defects.others_cores) * at_s,
        steal_s_total=0.0,
        total_s_total=2.0 * at_s,
        available_bytes=8 << 30,
        spin_us=chance.randint(980, 1_080),
    )
    return Sample(at_s=float(at_s), processes=[*workers, *others], gateway=gateway, machine=machine)
