"""What the kinds of users share, and the generator of the load: `python -m loadtests.client --order FILE --out FILE`.

target        what is loaded, for users
asked         one request, as Locust's event tells of it, and as it is counted
asking        the base of all kinds of users: a request is measured, and told to Locust as its event
edge          the base of users of HTTP: Locust's FastHttpUser, which sends nothing twice
tls           the base of users of HTTP over TLS, whose handshakes are told, too
plain         HTTP/1.1 by hand (h11) over a blocking socket, or over TLS: pieces, pauses, and going away
frames        a service's side of a framed connection, over a blocking socket: calls through the gateway
web_socket    a WebSocket over a blocking socket
tally         counts what came of requests; pure
telling       writes what was counted, as lines of JSON
closed_loop   users of Locust, as many as the shape says
open_loop     requests when they are due, by the engine of `penstock bench`
edge_link     what the open loop sends and reads

Locust makes all sockets wait by gevent when it is imported, so only what needs users imports it.
"""
