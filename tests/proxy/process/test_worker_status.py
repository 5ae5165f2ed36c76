"""What a worker says of itself to its supervisor: whom it has, and who of them comes to each worker."""

from lab import open_lab

from frames.greeting import STREAMS, WORKERS
from proxy.gateway.listeners import Listeners
from proxy.process.worker_commands import WorkerCommands, WorkerStatus
from proxy.supervisor.worker import followers_of


class ServingListeners:
    """Stands for the sockets of a worker that serves."""

    holds_edge = False

    def __init__(self, addresses: object) -> None:
        self.addresses = addresses


async def test_who_cannot_follow_workers_is_not_waited_for() -> None:
    async with open_lab() as lab:
        await lab.raw("GET /a", service="knows", instance="k-1", features=(STREAMS, WORKERS))
        await lab.raw("GET /b", service="alone", instance="a-1", features=(STREAMS,))
        listeners: Listeners = ServingListeners(lab.addresses)  # type: ignore[assignment]
        table = WorkerCommands("0.1", lab.gateway, listeners).table({})
        status = await table["status"](None)
    assert isinstance(status, WorkerStatus)
    assert (status.id, status.state) == ("0.1", "serving")
    assert status.instances == ("alone/a-1", "knows/k-1")
    assert status.followers == ("knows/k-1",)


def test_a_worker_of_an_earlier_version_says_nothing_of_followers() -> None:
    assert followers_of({"instances": ["a/1", "b/1"]}) == {"a/1", "b/1"}
    assert followers_of({"instances": ["a/1", "b/1"], "followers": ["b/1"]}) == {"b/1"}
