"""The other services that a service under test calls: they stand beside it, and nothing is between."""

from collections.abc import Mapping

import msgspec
import trio

from frames.frame import FieldId
from penstock.asking import Question, Reply
from penstock.call import Call
from penstock.errors import CallDeadline, CallLost, CallRefused
from penstock.fields import Headers
from penstock.service import Service
from penstock.testing_request import Caller, NoEndpoint
from penstock.testing_response import Aborted, Refused

__all__ = ["Others"]


class Others:
    """Sends the questions of a service under test to the handlers of the others."""

    def __init__(self, own: Service, others: Mapping[str, Service]) -> None:
        """own: who asks; others: by the name that they are called by."""
        self._own = own
        self._others = others

    def is_running(self, _: Call, /) -> bool:
        """A call under test is."""
        return True

    async def ask(self, question: Question) -> Reply:
        """Return the reply, or raise a `CallError`, as from a gateway that allows every call."""
        other = self._others.get(question.service)
        if other is None:
            return _problem(question, 404, "no_service")
        try:
            with trio.move_on_at(question.deadline):
                return await self._ask(other, question)
        except NoEndpoint:
            return _problem(question, 404, "no_route")
        except Refused as error:
            raise CallRefused(f"{question}: it was not started: {error}") from error
        except Aborted as error:
            raise CallLost(f"{question}: its answer was given up") from error
        raise CallDeadline(f"{question}: there was no answer before the deadline")

    async def _ask(self, other: Service, question: Question) -> Reply:
        from penstock import testing  # it imports this module

        caller = Caller(principal=f"service:{self._own.name}", claims={})
        context = dict(question.context)
        if tenant := context.get(FieldId.TENANT):
            caller["tenant"] = tenant.decode()
        if correlation_id := context.get(FieldId.CORRELATION_ID):
            caller["correlation_id"] = correlation_id.decode()
        answer = await testing.call(
            other,
            question.method.name,
            question.target.decode(),
            body=question.body,
            headers=[(name.decode(), value.decode("latin-1")) for field, name, value in question.fields if not field],
            deadline_ms=question.remaining_ms,
            others=self._others,
            **caller,
        )
        return Reply(answer.status, answer.headers, answer.body, str(question))


def _problem(question: Question, status: int, reason: str) -> Reply:
    body = msgspec.json.encode({"title": "Not Found", "status": status, "reason": reason})
    return Reply(status, Headers([(b"content-type", b"application/problem+json")]), body, str(question))
