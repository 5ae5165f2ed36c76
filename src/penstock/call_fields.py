"""Which request a line of the log belongs to: added to every line that is logged while a handler runs."""

import inspect
import logging
from typing import TYPE_CHECKING, Final

from penstock.asking import current_call
from penstock.turn import answer_nowait

if TYPE_CHECKING:
    from penstock.call import Call

__all__ = ["CallFields", "fields_of"]

_OF_DEF_HANDLERS: Final = answer_nowait.__code__


class CallFields(logging.Filter):
    """Adds request, correlation and trace id, tenant and principal of the call at hand to each record that has none.

    `penstock.run` sets it up. Who sets up logs otherwise adds it to a handler: ``handler.addFilter(CallFields())``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add them; every record is let through."""
        call = current_call.get() or _call_of_def_handler()
        if call is not None:
            for name, value in fields_of(call).items():
                if not hasattr(record, name):
                    setattr(record, name, value)
        return True


def fields_of(call: "Call") -> dict[str, str]:
    """Return what a line says of a call, without what the call does not have."""
    trace = call.trace
    fields = {
        "request_id": call.request_id,
        "correlation_id": call.correlation_id,
        "trace_id": trace.trace_id if trace else None,
        "tenant": call.tenant,
        "principal": call.principal,
    }
    return {name: value for name, value in fields.items() if value}


def _call_of_def_handler() -> "Call | None":
    """A `def` handler runs within `answer_nowait`, which is looked for among those who have called us: requests then
    cost nothing more for lines that most of them do not log.
    """
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code is _OF_DEF_HANDLERS:
            call: Call = frame.f_locals["call"]
            return call
        frame = frame.f_back
    return None
