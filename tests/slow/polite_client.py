"""A client that does nothing wrong: ``python polite_client.py PORT SECONDS [tls]``.

It asks for ``/hello`` every two milliseconds, on a connection that it keeps, and every tenth time on a new one. One
line of JSON says how many requests there were, how many were not answered with 200, and percentiles of the times in
milliseconds. A new connection is part of the time.
"""

import http.client
import json
import ssl
import sys
import time
from collections.abc import Callable

PAUSE_S = 0.002
NEW_EVERY = 10
TIMEOUT_S = 5.0


def ask(connection: http.client.HTTPConnection) -> bool:
    """Send a request and read its answer; say whether it was a good one."""
    try:
        connection.request("GET", "/hello")
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return False
    return response.status == 200


def percentile(values: list[float], percent: float) -> float:
    """The value that so many percent are not above."""
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def opener(port: int, is_tls: bool) -> Callable[[], http.client.HTTPConnection]:
    """What makes a new connection. By TLS, no certificate is checked."""
    if not is_tls:
        return lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return lambda: http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=context)


def run(port: int, seconds: float, is_tls: bool) -> dict[str, float]:
    """Send requests until the time is over."""
    connect = opener(port, is_tls)
    kept = connect()
    times_ms: list[float] = []
    failed = 0
    end = time.monotonic() + seconds
    while (started := time.monotonic()) < end:
        is_new = len(times_ms) % NEW_EVERY == 0
        connection = connect() if is_new else kept
        failed += not ask(connection)
        times_ms.append((time.monotonic() - started) * 1000)
        if is_new:
            connection.close()
        time.sleep(PAUSE_S)
    kept.close()
    return {"requests": len(times_ms), "failed": failed, **{f"p{at}_ms": percentile(times_ms, at) for at in (50, 99)}}


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:] == ["tls"])))
