"""Load for a server, and what came of it: the engine of `penstock bench`.

*Open loop*: when a request is due is known before anything is sent, and does not depend on how fast answers come. Its
latency counts from the moment at which it was *due*, not from that at which it could be sent: a server that stands
still for a second is seen to have kept all the requests of that second waiting, and not one (coordinated omission).

histogram   latencies, by HdrHistogram's rule
arrivals    when requests are due
peer        a service, seen by who speaks frames with it as a gateway does; no I/O
endpoints   which of a service's endpoints a target is for
request     one REQUEST for a service, of what a person says
response    where an HTTP answer ends; no I/O
sockets     a connection that never blocks, by TCP or TLS
http_link, frame_link   what carries requests over it
targets     what is loaded, and how it is dialled
run         one loop over all of them
seconds     what each second was like
result      what came of it, and whether it was the load's own fault
many, parts several processes, and their results as one
blocking    one connection to a service that blocks: `penstock call`

One plain loop over epoll, and no Trio: nothing here is served, one thing is measured, and what a scheduler costs would
be a part of every figure.
"""
