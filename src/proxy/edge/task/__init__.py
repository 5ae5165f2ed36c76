"""The task lane: exchanges that must wait for their client or their service, each in a task of Trio's.

lane        what the batch gives to whom
handover    a connection leaves the wire's hands, and comes back
job         what is kept of a request
client      the client's socket: bytes in, bytes out, in time
body        the request's body: delimited, bounded, not too slow
gather      the whole body, for an endpoint that does not stream
streams     the exchanges with endpoints that do, each a
carriage    from its REQUEST to the last byte for its client
answering   what the service's frames are made into
framing     how the end of an answer is made known
departures  clients that leave while nobody reads them
mend        heads that may be repaired, in tolerant mode
"""
