"""Whether a browser was led here by a page of somebody else, who gave this address a name of his own.

On loopback no token is needed: whoever can connect is let in. A browser connects for any page that its user visits,
and keeps apart what is of another *name*. So a page at a name that is made to lead to 127.0.0.1 after it was loaded
could read what stands here as its own (DNS rebinding). No such name is an address, and none is `localhost`.
"""

from ipaddress import ip_address


def is_led_astray(host: str, user_agent: str) -> bool:
    """Whether this is a browser that came by a name which anybody could have made. host: the field Host, with port."""
    return user_agent.startswith("Mozilla/") and not _is_own(host.strip().lower())


def _is_own(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host
    if name.rstrip(".") == "localhost" or name.rstrip(".").endswith(".localhost"):  # RFC 6761: never asked of the DNS
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
