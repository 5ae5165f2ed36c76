"""Starts the whole platform in one terminal: the gateway, and six processes of three services. Ctrl-C ends all of it.

    make run                                  # or: python examples/platform/run.py

Keys and tokens are made at each start, in a folder that is removed at the end. Each process is what one would start by
hand: `penstock serve`, `python orders_1.py`, `penstock asgi reviews:app`, each with its settings in its environment.
"""

import ctypes
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

HERE = Path(__file__).resolve().parent
PENSTOCK = [sys.executable, "-P", "-m", "proxy.cli.main"]
READY_WITHIN_S = 20.0
POLL_S = 0.05
END_S = 3.0
PR_SET_PDEATHSIG = 1
ISSUER, AUDIENCE, KEY_ID = "https://issuer.example", "platform", "development"

REVIEWS = ["asgi", "reviews:app", "--app-dir", str(HERE), "--name", "reviews", "--version", "1.0.0"]
SERVICES: dict[str, tuple[list[str], dict[str, str]]] = {
    "orders-1": ([sys.executable, str(HERE / "orders_1.py")], {"PENSTOCK_REGION": "near"}),
    "orders-2": ([sys.executable, str(HERE / "orders_2.py")], {"PENSTOCK_REGION": "near"}),
    "catalogue-near": ([sys.executable, str(HERE / "catalogue.py")], {"PENSTOCK_REGION": "near"}),
    "catalogue-far": ([sys.executable, str(HERE / "catalogue.py")], {"PENSTOCK_REGION": "far"}),
    "reviews": (
        [*PENSTOCK, *REVIEWS, "--prefix", "/reviews", "--root-path", "", "--access", "public"],
        {"PENSTOCK_REGION": "near"},
    ),
}
"""What is started beside the gateway: command line, and settings."""


class EndedError(Exception):
    """The platform cannot go on. Its text is one line."""


class Interrupted(BaseException):
    """A signal asks for the end."""


# ---- keys and tokens ----


def make_issuer(folder: Path) -> dict[str, str]:
    """Write the issuer's public key for the gateway, and return tokens by what they are for."""
    from joserfc import jwt
    from joserfc.jwk import ECKey

    key = ECKey.generate_key("P-256", {"kid": KEY_ID, "use": "sig", "alg": "ES256"}, private=True)
    (folder / "jwks.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    people = {
        "clerk": {"sub": "anna", "tenants": ["acme", "curious"], "role": ["clerk"]},
        "visitor": {"sub": "ben", "tenants": ["acme"], "role": ["visitor"]},
    }
    now = int(time.time())
    times = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 12 * 3600}
    head = {"alg": "ES256", "kid": KEY_ID}
    return {name: jwt.encode(head, {**times, **claims}, key) for name, claims in people.items()}


def make_api_key() -> tuple[str, str]:
    """Return a key for a machine, and the entry for the gateway's settings, which has its hash alone."""
    key = "psk_" + secrets.token_urlsafe(32)
    entry = {"principal": "reports", "hash": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}", "tenants": ["acme"]}
    return key, json.dumps([entry])


# ---- processes ----


class Platform:
    """The processes, in the order of their start."""

    def __init__(self) -> None:
        """Begin with none."""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str], settings: dict[str, str], folder: Path) -> None:
        """Start a process in a session of its own, so that Ctrl-C reaches it only through this one."""
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("PENSTOCK_")}
        self._processes[name] = subprocess.Popen(  # noqa: S603 - our own
            command,
            cwd=folder,
            env={**inherited, "PENSTOCK_LOG_LEVEL": "warning", **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )

    def check(self) -> None:
        """Raise `EndedError` when one has ended."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise EndedError(f"{name} ended by itself, with status {process.returncode}; what it wrote says why")

    def end(self) -> None:
        """End all of them, the last one first: the gateway goes when nobody needs it any more."""
        processes = list(self._processes.values())[::-1]
        for process in processes:
            process.terminate()
        until = time.monotonic() + END_S
        for process in processes:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _end_with_parent() -> None:
    """Have the kernel end this process with its parent, should that be killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def start_all(platform: Platform, folder: Path, api_keys: str) -> None:
    """Start the gateway, and the services when it can be reached."""
    own = {name: text for name, text in os.environ.items() if name.startswith("PENSTOCK_")}
    drain = {"PENSTOCK_DRAIN_TIMEOUT": "500ms", "PENSTOCK_IDENTITY_API_KEYS": api_keys}
    gateway = [*PENSTOCK, "serve", "--config", str(HERE / "gateway.yaml")]
    platform.start("the gateway", gateway, {**drain, **own}, folder)
    wait_for("/health", platform)
    joins = {"PENSTOCK_GATEWAYS": f"tcp://{address('services', 7420)}", "PENSTOCK_SERVICE_DRAIN": "500ms"}
    for name, (command, settings) in SERVICES.items():
        platform.start(name, command, {**joins, **settings}, folder)
    wait_for("/ready", platform)


def address(listener: str, port: int) -> str:
    """Return where the gateway listens, as it reads it itself."""
    return os.environ.get(f"PENSTOCK_{listener.upper()}_LISTEN", f"127.0.0.1:{port}")


def wait_for(page: str, platform: Platform) -> None:
    """Wait until an admin page says yes. Raises `EndedError`."""
    until = time.monotonic() + READY_WITHIN_S
    said = "nothing"
    while time.monotonic() < until:
        platform.check()
        try:
            with urllib.request.urlopen(f"http://{address('admin', 9901)}{page}", timeout=2):
                return
        except urllib.error.HTTPError as answer:
            said = answer.read(200).decode("utf-8", "replace").strip()
        except OSError as error:
            said = str(error)
        time.sleep(POLL_S)
    raise EndedError(f"{page} does not say yes within {READY_WITHIN_S:.0f} s; it says: {said}")


def banner(tokens: dict[str, str], api_key: str) -> str:
    """Return what a person needs to try it."""
    edge = f"http://{address('edge', 8080)}"
    return f"""
The platform is ready: orders (1.4.0 and 2.0.0), catalogue (near and far), reviews (FastAPI).

    edge    {edge}    clients come in here
    admin   http://{address("admin", 9901)}    /health, /ready, /metrics, /services, /routes, /openapi.json

In another terminal, first the tokens, which are good until this ends:

    export EDGE={edge}
    export CLERK={tokens["clerk"]}
    export VISITOR={tokens["visitor"]}
    export REPORTS={api_key}

Anybody may look; the near region answers:

    curl -i $EDGE/products/tea

Orders want to know who asks, and for which tenant: 200, then 401, 403 for another's tenant, and 400 for none:

    curl -i $EDGE/orders/7 -H "authorization: Bearer $CLERK" -H 'x-tenant-id: acme'
    curl -i $EDGE/orders/7 -H 'x-tenant-id: acme'
    curl -i $EDGE/orders/7 -H "authorization: Bearer $CLERK" -H 'x-tenant-id: another'
    curl -i $EDGE/orders/7 -H "authorization: Bearer $CLERK"

A machine shows a key; and only clerks order: 201, then 403:

    curl -i $EDGE/orders/7 -H "x-api-key: $REPORTS" -H 'x-tenant-id: acme'
    curl -i $EDGE/orders -d '{{}}' -H "authorization: Bearer $CLERK" -H 'x-tenant-id: acme'
    curl -i $EDGE/orders -d '{{}}' -H "authorization: Bearer $VISITOR" -H 'x-tenant-id: acme'

The next version goes to a tenth of the tenants, to the tenant `curious`, and to who names it:

    curl -i $EDGE/orders/7 -H "authorization: Bearer $CLERK" -H 'x-tenant-id: curious'
    curl -i $EDGE/orders/7 -H "authorization: Bearer $CLERK" -H 'x-tenant-id: acme' -H 'x-service-version: 2.0.0'
    curl -i $EDGE/@2.0.0/orders/7 -H "authorization: Bearer $CLERK" -H 'x-tenant-id: acme'

A plain FastAPI application, streams included; who writes says who they are:

    curl -i $EDGE/reviews/tea
    curl -N $EDGE/reviews/ticks
    curl -i $EDGE/reviews/tea --json '{{"stars": 4, "text": "fine"}}' -H "authorization: Bearer $CLERK"

What is live, and what would become of a request and who made it so:

    {penstock("services")}
    {penstock("routes")}
    {penstock("explain GET /orders/7 --tenant curious --principal anna")}

Ctrl-C ends it.
"""


def penstock(arguments: str) -> str:
    """Return a command line of the command `penstock` that is beside the Python that runs this."""
    command, admin = Path(sys.prefix) / "bin" / "penstock", os.environ.get("PENSTOCK_ADMIN_LISTEN")
    if command.is_relative_to(Path.cwd()):
        command = command.relative_to(Path.cwd())
    return f"{command} {arguments}" + (f" --admin-listen {admin}" if admin else "")


def main() -> int:
    """Run the platform until a signal, and return the exit code."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise Interrupted

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    platform = Platform()
    with tempfile.TemporaryDirectory(prefix="penstock-platform-") as name:
        folder = Path(name)
        try:
            tokens = make_issuer(folder)
            api_key, api_keys = make_api_key()
            start_all(platform, folder, api_keys)
            print(banner(tokens, api_key), flush=True)
            while True:
                platform.check()
                time.sleep(0.2)
        except Interrupted:
            return 0
        except EndedError as error:
            print(f"platform: error: {error}", file=sys.stderr)
            return 1
        except ImportError as error:
            print(f"platform: error: {error}; pip install 'penstock[dev]'", file=sys.stderr)
            return 1
        finally:
            platform.end()


if __name__ == "__main__":
    sys.exit(main())
