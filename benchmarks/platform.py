"""The gateway with everything on: tenants, tokens, claims, rates, a split, and many routes."""

import base64
import hashlib
import hmac
import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks import gateway
from benchmarks.gateway import ANSWERING, Gateway
from benchmarks.rounds import Contender, Open, Plan
from benchmarks.servers import Server
from benchmarks.tools import ROOT, NotMeasured

KEY = hashlib.sha256(b"a key for benchmarks").digest()
ISSUER, AUDIENCE, TENANT = "https://issuer.example", "invoices", "acme"
TOKEN_S = 24 * 3600
REGISTERED_WITHIN_S = 30.0

SETTINGS = """\
routes: {{max: 16384}}
reload: {{watch: 0s}}
identity:
  issuers:
    - name: example
      issuer: {issuer}
      audience: [{audience}]
      algorithms: [HS256]
      jwks: {jwks}
      tenant_claim: tenants
rules:
  - name: everything on
    service: billing
    access: authenticated
    claims: {{scope: [invoices:read]}}
    tenant: required
    rate_limits: [1000000/s by tenant]
    split: {{weights: {{1.4.0: 90, 2.0.0: 10}}, by: tenant}}
"""


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token() -> str:
    """Return a token that the gateway is to take (RFC 7515, section 3.1)."""
    now = int(time.time())
    header = {"alg": "HS256", "kid": "bench", "typ": "JWT"}
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "iat": now,
        "exp": now + TOKEN_S,
        "tenants": [TENANT, "globex"],
        "scope": "invoices:read invoices:write",
    }
    text = b".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
    return (text + b"." + _encoded(hmac.digest(KEY, text, "sha256"))).decode()


HEADERS = {"Authorization": f"Bearer {token()}", "X-Tenant-Id": TENANT}
"""Of every request, whoever is asked: all of them read the same bytes."""


def settings_file(folder: Path, extra: str = "") -> Path:
    """Write the settings, and the key that tokens are verified with."""
    jwks = folder / "platform-jwks.json"
    key = {"kty": "oct", "kid": "bench", "alg": "HS256", "k": _encoded(KEY).decode()}
    jwks.write_text(json.dumps({"keys": [key]}))
    path = folder / "platform.yaml"
    path.write_text(SETTINGS.format(issuer=ISSUER, audience=AUDIENCE, jwks=jwks) + extra)
    return path


def register_routes(stack: ExitStack, behind: Gateway, count: int, core: int, folder: Path) -> None:
    """Have many routes registered beside those that are asked."""
    command = [sys.executable, "-m", "benchmarks.registrar", str(behind.services_port), str(count)]
    name = f"registrar-{behind.services_port}"
    server = stack.enter_context(Server(name, command, core, folder, {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}))
    deadline = time.monotonic() + REGISTERED_WITHIN_S
    while "are registered" not in server.log.read_text():
        server.check_alive()
        if time.monotonic() > deadline:
            raise NotMeasured(f"{count} routes were not registered within {REGISTERED_WITHIN_S:.0f} s")
        time.sleep(0.05)


def penstock_platform(route_count: int) -> Open:
    """Return how to start the gateway with everything on and so many routes, before a service in two versions."""

    def start(stack: ExitStack, plan: Plan) -> Contender:
        cores, folder = plan.cores, plan.folder
        started = gateway.gateway(stack, cores.tested, folder, settings=settings_file(folder))
        for version in ("1.4.0", "2.0.0"):
            gateway.frame_upstream(stack, started, cores.load, folder, ANSWERING, version, HEADERS)
        if route_count > len(ANSWERING):
            register_routes(stack, started, route_count - len(ANSWERING), cores.load, folder)
        return Contender(started.edge_port, (started.server,))

    return start
