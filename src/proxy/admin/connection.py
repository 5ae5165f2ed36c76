"""One HTTP/1.1 connection of an operator or a tool, by h11. What a client may do wrong ends here, and harms nothing."""

import logging
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final

import h11
import trio

from proxy.admin.pages import COMPRESSED, Page, Pages, error_page
from proxy.admin.visitors import is_led_astray

HEAD_BYTES_MAX: Final = 32 * 1024
"""Of a request's head: enough for a request with a token in it that is to be explained; above: 431."""

REQUEST_S: Final = 10.0
"""From the moment that a request may begin to the end of its answer, and so how long keep-alive waits for one."""

ACTION_S: Final = 60.0
"""The same for what changes something: to read ten thousand rules takes a second or two."""

LINGER_S: Final = 1.0
"""After an answer that closes: how long to go on reading, since to close on unread bytes would destroy the answer."""

RECEIVE_BYTES: Final = 8 * 1024

COMPRESSED_FROM_BYTES: Final = 64 * 1024
"""A page that is as long is compressed, for who takes that: a thousand routes have eight megabytes of metrics."""

LARGE_PAGES: Final = (b"/metrics",)
"""Of these few are made or sent at once (`Pages.large`), so that who asks and never reads does not fill the memory."""

_READ: Final = (b"accept", b"authorization", b"accept-encoding", b"host", b"user-agent")

_LED_ASTRAY: Final = (
    "Browsers are answered here by an address, or as localhost: any name may be one that a page of somebody else has"
    " made for itself. Where admin.token is set, they are answered by every name."
)

_log = logging.getLogger("penstock.admin")


async def serve_connection(stream: trio.abc.HalfCloseableStream, pages: Pages) -> None:
    """
    Answers requests until the client closes or asks to, sends what is no HTTP, or lets REQUEST_S pass.

    Resource handling: the stream is left to the caller, to be closed.
    Error handling: what fails in a page is logged and answered with 500; what fails in the stream ends the connection.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    try:
        go_on = True
        while go_on:
            go_on = False  # as it stays when the time runs out
            with trio.move_on_after(REQUEST_S) as scope:
                go_on = await _serve_request(stream, connection, pages, scope)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # the client is gone, and nobody is left to tell


async def _serve_request(
    stream: trio.abc.HalfCloseableStream, connection: h11.Connection, pages: Pages, scope: trio.CancelScope
) -> bool:
    """One request and its answer. Returns whether another may come. scope: gets the time that the request may take."""
    request, is_whole = None, False
    try:
        request = await _receive_request(stream, connection)
        if request is None:
            return False
        if request.method == b"POST":
            scope.deadline = trio.current_time() + ACTION_S
        is_whole = isinstance(
            connection.next_event(), h11.EndOfMessage
        )  # a body is of no use to a page: it is not read
    except h11.RemoteProtocolError as error:
        page = error_page(error.error_status_hint, "This is no request that can be read.")
        is_head = request is not None and request.method == b"HEAD"
        await _send(stream, connection, page, is_head=is_head, closes=True)
    else:
        async with _room(request, pages):
            page = await _page(request, pages)
            await _send(stream, connection, page, is_head=request.method == b"HEAD", closes=not is_whole)
    if connection.our_state is h11.DONE and connection.their_state is h11.DONE:
        connection.start_next_cycle()
        return True
    await stream.send_eof()
    with trio.move_on_after(LINGER_S):
        while await stream.receive_some(RECEIVE_BYTES):
            pass
    return False


async def _receive_request(stream: trio.abc.ReceiveStream, connection: h11.Connection) -> h11.Request | None:
    """The next request's head, or None when the client has closed."""
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
    return event if isinstance(event, h11.Request) else None


def _room(request: h11.Request, pages: Pages) -> AbstractAsyncContextManager[Any]:
    """What a page is made and sent within: of large ones there are not many at once."""
    return pages.large if request.target.partition(b"?")[0] in LARGE_PAGES else nullcontext()


async def _page(request: h11.Request, pages: Pages) -> Page:
    if request.method not in (b"GET", b"HEAD") and any(name == b"origin" for name, _ in request.headers):
        # A browser says so of a script of some other page, which is let in on loopback just as its user is.
        return error_page(403, "Pages of browsers may change nothing here.")
    target = request.target.decode("ascii")
    fields = {name: b",".join(value for given, value in request.headers if given == name) for name in _READ}
    accept, authorization, codings, host, agent = (fields[name].decode("latin-1") for name in _READ)
    if is_led_astray(host, agent) and not pages.is_locked:
        return error_page(403, "This name is not known here.", detail=_LED_ASTRAY)
    try:
        gzips = takes_gzip(codings)
        page = await pages.page(request.method.decode("ascii"), target, accept, authorization, takes_gzip=gzips)
        return await _compressed(page, pages) if gzips else page
    except Exception:
        _log.exception("the admin page %s failed", target.partition("?")[0])
        return error_page(500, "This page failed; the log says why.")


async def _compressed(page: Page, pages: Pages) -> Page:
    if len(page.body) < COMPRESSED_FROM_BYTES or COMPRESSED[0] in page.headers:
        return page
    from proxy.admin.compressed import compress

    return await pages.beside(compress, page)


def takes_gzip(accept_encoding: str) -> bool:
    """Whether the client says that it takes gzip (RFC 9110, section 12.5.3); `*` is not taken at its word."""
    for coding in accept_encoding.split(","):
        name, *parameters = (part.strip().lower() for part in coding.split(";"))
        if name in ("gzip", "x-gzip"):
            return not any(parameter.replace(" ", "").rstrip("0.") == "q=" for parameter in parameters)
    return False


async def _send(
    stream: trio.abc.SendStream, connection: h11.Connection, page: Page, *, is_head: bool, closes: bool
) -> None:
    """Send an answer; for HEAD its length is told and its body left out."""
    headers = [
        ("content-type", page.content_type),
        ("content-length", str(len(page.body))),
        ("cache-control", "no-store"),
        *page.headers,
        *([("connection", "close")] if closes else []),
    ]
    body = b"" if is_head else page.body
    events = (h11.Response(status_code=page.status, headers=headers), h11.Data(data=body), h11.EndOfMessage())
    head, sent, _ = (connection.send(event) or b"" for event in events)
    if len(sent) < COMPRESSED_FROM_BYTES:
        await stream.send_all(head + sent)
        return
    await stream.send_all(head)
    await stream.send_all(sent)  # not together: that would copy megabytes
