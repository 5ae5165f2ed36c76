"""The base of users of HTTP: Locust's FastHttpUser, with what a record needs."""

from typing import Any

import gevent
from geventhttpclient.client import HTTPClient, HTTPClientPool
from locust import FastHttpUser

from .asked import OK, Asked, UnexpectedStatusError, UnfinishedError, context_of, next_id
from .asking import LoadUser
from .target import current

TIMEOUT_S = 30.0


class HonestPool(HTTPClientPool):
    """Connections over which nothing is sent twice.

    geventhttpclient sends a request again, by itself and unseen, when its connection ends before the answer: an answer
    that the gateway has lost would look like one that was slow. It does so as often as its pool has room.
    """

    def get_client(self, url: Any) -> HTTPClient:
        """Return the client of a host."""
        client = super().get_client(url)
        client._connection_pool.size = -1
        return client


class EdgeUser(FastHttpUser, LoadUser):
    """A client of the edge that keeps its connection, and waits for one answer after the other."""

    abstract = True
    network_timeout = TIMEOUT_S
    connection_timeout = TIMEOUT_S

    def __init__(self, environment: Any) -> None:
        """Have a connection of its own."""
        edge = current().edge
        if edge is not None:
            self.host = f"http://{edge}"
        self._pool = HonestPool(
            concurrency=1,
            network_timeout=self.network_timeout,
            connection_timeout=self.connection_timeout,
        )
        self.client_pool = self._pool
        super().__init__(environment)
        vars(self.client.client)["valid_response_codes"] = frozenset(range(100, 600))  # statuses are judged here

    def on_stop(self) -> None:
        """Close its connection."""
        self._pool.close()

    def ask(
        self,
        method: str,
        target: str,
        *,
        name: str = "",
        body: str | None = None,
        headers: dict[str, str] | None = None,
        expect: tuple[int, ...] = OK,
    ) -> Any:
        """Send a request and return its response, after Locust was told. name: left out, it is method and target.

        expect: statuses that are no error.
        """
        correlation_id = next_id()
        called = name or f"{method} {target}"
        context = context_of(self.kind, correlation_id, expect, True)
        try:
            with self.client.request(
                method,
                target,
                name=called,
                data=body,
                headers={"accept-encoding": "identity", **(headers or {}), **self.headers(correlation_id)},
                catch_response=True,
                allow_redirects=False,
                context=context,
            ) as response:
                if response.status_code and not response.request_meta["exception"]:
                    self._judge(response, expect)
        except gevent.GreenletExit:
            self._tell_unfinished(method, called, context, correlation_id)
            raise
        return response

    @staticmethod
    def _judge(response: Any, expect: tuple[int, ...]) -> None:
        """A whole answer is judged by its status alone, whatever Locust thinks of it."""
        if response.status_code in expect:
            response.success()
        else:
            response.failure(UnexpectedStatusError(f"status {response.status_code}"))

    def _tell_unfinished(self, method: str, name: str, context: dict[str, Any], correlation_id: str) -> None:
        self.environment.events.request.fire(
            request_type=method,
            name=name,
            response_time=0.0,
            response_length=0,
            response=Asked(correlation_id),
            exception=UnfinishedError(),
            context=context,
        )
