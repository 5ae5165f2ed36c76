"""Bytes to frames to session events, and back: the protocol of docs/protocol.md, for both of its sides.

What lives where, from the bytes up::

    limits.py     every bound of the protocol, named, with its reason
    frame.py      the kinds of frame, the numbers that stand in them, and FrameError
    fields.py     field blocks, and the payloads that hold them: REQUEST, RESPONSE, TRAILERS
    fixed.py      the small payloads of fixed form: HEARTBEAT, GOAWAY, FAULT, CREDIT, CANCEL, REFUSED
    codec.py      whole frames: scan and encode; the only module here that sees the C library for frames
    chunked.py    chunked HTTP/1.1 bodies, by the C library's decoder
    template.py   path templates of endpoints
    greeting.py   HELLO and WELCOME
    session.py    one connection's life as a table of what may come when; no I/O
    wire.py       the C library's batch loop as a Trio citizen; the only module here that knows Trio
    errors.py     what a peer did against the protocol

The few words: a *frame* is one length-prefixed message: a header of 16 bytes and a *payload*. An *exchange* is one
request and its one answer, named by a number in the header. A *field* is a name and a value; a *context field* has a
number for a name. A *greeting* is HELLO or WELCOME. The *wire* is a set of sockets, drained and flushed in batches.

Modules are imported by name (``from frames import codec``); this package imports none of them, so that who needs the
numbers loads neither the C library nor Trio. Nothing here imports ``penstock`` or ``proxy``.
"""
