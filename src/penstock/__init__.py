"""Penstock: what the author of a service imports, and what the service and the gateway share.

    from penstock import Service

A few words, after which any file here can be opened:

- *service*: a name, a version and its endpoints (`service.py`); one running process of it is an *instance*;
- *endpoint*: method + path and the handler that answers it (`handler.py`);
- *call*: one request as a handler sees it (`call.py`); what the handler returns becomes an *answer* (`answer.py`);
- *ask*: a call of another service, made by this one (`asking.py`, `asks.py`), and its *reply*;
- *stream*: a body in both directions under credit (`stream.py`), of a *streaming* call (`streaming.py`, `body.py`,
  `respond.py`), or of a WebSocket (`websocket.py`);
- *link*: the connection to one gateway, dialled again whenever it is lost (`dial.py`, `link.py`);
- *serving*: a service at work: batches in, answers out, drain at the end (`serving.py`, `workers.py`).

Names are loaded when they are first used: the gateway imports parts of this package and must not pay for the rest.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.answer import Response
    from penstock.asking import Reply
    from penstock.call import Call
    from penstock.errors import (
        BadRequest,
        CallDeadline,
        CallError,
        CallFailed,
        CallLost,
        CallRefused,
        CallUnreachable,
        FieldProblem,
        InvalidInput,
        PenstockError,
        Problem,
        RegistrationError,
        SocketClosed,
        StreamBroken,
        StreamMisuse,
    )
    from penstock.service import Service
    from penstock.websocket import WebSocket

__all__ = [
    "BadRequest",
    "Call",
    "CallDeadline",
    "CallError",
    "CallFailed",
    "CallLost",
    "CallRefused",
    "CallUnreachable",
    "FieldProblem",
    "InvalidInput",
    "PenstockError",
    "Problem",
    "RegistrationError",
    "Reply",
    "Response",
    "Service",
    "SocketClosed",
    "StreamBroken",
    "StreamMisuse",
    "WebSocket",
]

_HOME = {
    "BadRequest": "penstock.errors",
    "Call": "penstock.call",
    "CallDeadline": "penstock.errors",
    "CallError": "penstock.errors",
    "CallFailed": "penstock.errors",
    "CallLost": "penstock.errors",
    "CallRefused": "penstock.errors",
    "CallUnreachable": "penstock.errors",
    "FieldProblem": "penstock.errors",
    "InvalidInput": "penstock.errors",
    "PenstockError": "penstock.errors",
    "Problem": "penstock.errors",
    "RegistrationError": "penstock.errors",
    "Reply": "penstock.asking",
    "Response": "penstock.answer",
    "Service": "penstock.service",
    "SocketClosed": "penstock.errors",
    "StreamBroken": "penstock.errors",
    "StreamMisuse": "penstock.errors",
    "WebSocket": "penstock.websocket",
}


def __getattr__(name: str) -> object:
    """Loads a public name from its module on first use (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'penstock' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted({*globals(), *__all__})
