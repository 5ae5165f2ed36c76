"""Whether the listeners' addresses can be had."""

from collections.abc import Iterator

from penstock.settings import Address
from proxy.config import GatewayConfig
from proxy.edge.listen import ListenError, open_listener

from .finding import Finding, ok


def listeners(config: GatewayConfig) -> Iterator[tuple[str, Address]]:
    """Yield the addresses that the gateway listens on, by setting."""
    yield "edge.listen", config.edge.listen
    if config.edge.tls_listen is not None:
        yield "edge.tls_listen", config.edge.tls_listen
    yield "services.listen", config.services.listen
    yield "admin.listen", config.admin.listen


def judge_port(name: str, address: Address, *, is_running: bool) -> Finding:
    """Listen on an address, and let it go at once. is_running: a gateway with these settings runs already."""
    try:
        open_listener(address, name).close()
    except ListenError as error:
        problem = error.problem
        if problem.code == "port_in_use" and is_running:
            return ok(name, f"{address} is the running gateway's")
        return Finding(name, "error", f"{address}: {problem.why}", problem.fix)
    if is_running and address.port:
        what = f"nobody listens on {address}, though a gateway runs; it may have other settings"
        return Finding(name, "warning", what, "compare: penstock config show, and GET /config of the admin listener")
    return ok(name, f"{address} is free")
