"""The case about scrapes of /metrics: how long one takes with a thousand routes under load, and what others wait.

Every route has been asked, so that each has all of its series. There is a scrape every five seconds, three times as
often as is usual: beside rarer ones, less than one in a hundred requests could wait at all.
"""

import http.client
import threading
import time
from contextlib import ExitStack
from typing import Final

from benchmarks import gateway
from benchmarks.gateway import ANSWERING, Offer
from benchmarks.memory_cases import ALLOWED
from benchmarks.rounds import Contender, Open, Outcome, Plan, Sample, say
from benchmarks.steady import steady
from benchmarks.tools import NotMeasured
from benchmarks.work import INVOICE_PATH

ROUTES: Final = 1_000
ALLOWED_MS: Final = 200.0
EVERY_S: Final = 5.0
RATE: Final = 20_000.0
CONNECTIONS: Final = 64
QUIET, SCRAPED = "without scrapes", "penstock"
HEADERS: Final = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
"""As Prometheus asks."""

_OFFERS: Final[tuple[Offer, ...]] = (
    *ANSWERING,
    *(("GET", f"/things-{number}/{{id}}", "answer") for number in range(ROUTES - len(ANSWERING))),
)


def penstock_measuring(enabled: bool) -> Open:
    """Return how to start the gateway with all that is measured for people, or without."""

    def start(stack: ExitStack, plan: Plan) -> Contender:
        variables = {"PENSTOCK_METRICS_ENABLED": "true" if enabled else "false"}
        started = gateway.gateway(stack, plan.cores.tested, plan.folder, variables=variables)
        gateway.frame_upstream(stack, started, plan.cores.load, plan.folder, ANSWERING)
        return Contender(started.edge_port, (started.server,))

    return start


def scrapes(outcome: Outcome, plan: Plan) -> Outcome:
    """Time scrapes, and the 99th percentile of requests beside them and without them."""
    outcome.samples[ALLOWED] = [{"scrape_ms": ALLOWED_MS}] * plan.repeats
    outcome.samples[QUIET], outcome.samples[SCRAPED] = [], []
    try:
        with ExitStack() as stack:
            _measure(outcome, stack, plan)
    except NotMeasured as why:
        outcome.fail(SCRAPED, str(why))
    return outcome


def _measure(outcome: Outcome, stack: ExitStack, plan: Plan) -> None:
    cores, folder = plan.cores, plan.folder
    started = gateway.gateway(stack, cores.tested, folder)
    gateway.frame_upstream(stack, started, cores.load, folder, _OFFERS)
    _ask_each(started.edge_port)
    for number in range(1, plan.repeats + 1):
        quiet = _load(started.edge_port, plan)
        with _Scraper(started.admin_port) as scraper:
            beside = _load(started.edge_port, plan)
        sample = {**beside, "scrape_ms": max(scraper.took_ms)}
        outcome.samples[QUIET].append(quiet)
        outcome.samples[SCRAPED].append(sample)
        say(
            outcome.case,
            f"round {number}/{plan.repeats}  slowest of {len(scraper.took_ms)} scrapes {sample['scrape_ms']:.1f} ms,"
            f" {scraper.byte_count / 1e6:.1f} MB; p99 {beside['p99_us']:,.0f} us, without {quiet['p99_us']:,.0f} us;"
            f" longest {beside['longest_us'] / 1000:.1f} ms, without {quiet['longest_us'] / 1000:.1f} ms",
        )


def _load(port: int, plan: Plan) -> Sample:
    total = steady(port, INVOICE_PATH, RATE, 2 * plan.seconds, CONNECTIONS, plan.cores.load).total
    if total.failed or total.refused:
        raise NotMeasured(f"{total.failed} requests failed and {total.refused} were refused")
    return {"p99_us": total.p99_us, "p50_us": total.p50_us, "longest_us": total.longest_us}


def _ask_each(port: int) -> None:
    """Ask every route once, so that it has counted something."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    for _, path, _ in _OFFERS:
        if path.startswith("/things"):
            client.request("GET", path.replace("{id}", "1"))
            response = client.getresponse()
            response.read()
            if response.status != 200:
                raise NotMeasured(f"GET {path} was answered {response.status}")
    client.close()


class _Scraper:
    """Asks for /metrics now and then, in a thread: it waits most of the time."""

    def __init__(self, port: int) -> None:
        self.took_ms: list[float] = []
        self.byte_count = 0
        self._port = port
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._fault = ""

    def __enter__(self) -> "_Scraper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        if self._fault or not self.took_ms:
            raise NotMeasured(f"/metrics could not be had: {self._fault or 'no answer'}")

    def _run(self) -> None:
        try:
            while not self._is_over.wait(EVERY_S / 2):
                began = time.monotonic()
                client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                client.request("GET", "/metrics", headers=HEADERS)
                response = client.getresponse()
                body = response.read()
                self.took_ms.append(1000 * (time.monotonic() - began))
                self.byte_count = len(body)
                client.close()
                if response.status != 200:
                    self._fault = f"status {response.status}"
                    return
                self._is_over.wait(max(0.0, EVERY_S / 2 - (time.monotonic() - began)))
        except OSError as error:
            self._fault = str(error)
