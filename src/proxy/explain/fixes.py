"""What to change when a request is refused: for operators, by the code of the reason."""

from typing import Final

from proxy.errors import Fault, Reason

_FIXES: Final = {
    "no_route": "see `penstock routes` for what is offered, and routes.trailing_slash for a slash at the end",
    "method_not_allowed": "ask by one of the methods that are allowed, or have the service offer this one",
    "misdirected": "ask by a host that routes.hosts names, or name this one there",
    "bad_path": "write the path in one way only, or set edge.parsing to tolerant",
    "tenant_invalid": "write a tenant of 1 to 64 of A-Z a-z 0-9 . _ -",
    "tenant_missing": "name the tenant: --tenant, or the field x-tenant-id",
    "tenant_forbidden": "name a tenant that the identity may act for, or give it this one at its issuer or key",
    "unauthenticated": "show a token (--token-file), imagine a principal (--principal), or declare access: public",
    "forbidden": "give the identity the claims that are not met, or change who asks for them",
    "keys_unavailable": "make the keys of the issuer reachable: identity.issuers says where they are",
    "rate_limited": "wait, or raise the limit where it is set",
    "body_too_large": "send less, or raise the bound where it is set",
    "version_invalid": "ask for a version like 1.4.0, or let the route take ranges: versions.ranges of a rule",
    "version_unknown": "ask for a version that is there, or start an instance of this one",
    "shard_missing": "give the tenant a shard in placement.maps, or start an instance of its shard",
    "no_instance": "start an instance of the version, or see above why those that are there cannot be chosen",
    "request_timeout_invalid": "write a number of milliseconds into x-request-timeout-ms",
}


def fix_of(reason: Reason) -> str:
    """Return what to change."""
    fix = _FIXES.get(reason.code)
    if fix is not None:
        return fix
    return "change the request" if reason.fault is Fault.CLIENT else "see docs/reasons.md and the log"
