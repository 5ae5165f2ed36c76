"""The tenant that a request is for: the header selects, the identity decides."""

import re
from typing import Final

from proxy.errors import TENANT_FORBIDDEN, TENANT_INVALID
from proxy.request.caller import Identity
from proxy.request.stage import Answer

_FORM: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")

INVALID: Final = Answer(TENANT_INVALID, "A tenant is 1 to 64 of A-Z a-z 0-9 . _ - in x-tenant-id.")
FORBIDDEN: Final = Answer(TENANT_FORBIDDEN)


def is_tenant(said: bytes) -> bool:
    """Whether it has the form of a tenant (docs/protocol.md, section 3)."""
    return _FORM.fullmatch(said) is not None


def select_tenant(said: bytes, identity: Identity | None) -> bytes | Answer:
    """Return the tenant, empty for none, or the answer that it is not theirs.

    said: by the header, in the form of a tenant, or empty. An identity that may act for one tenant alone, acts for it
    without saying so. Nobody in particular may name any: a route that cares wants an identity.
    """
    if identity is None or identity.tenants is None:
        return said
    if said:
        return said if said.decode("ascii") in identity.tenants else FORBIDDEN
    if len(identity.tenants) == 1:
        return next(iter(identity.tenants)).encode("ascii")
    return b""
