"""What identities are tested with: keys, tokens signed by hand, a source of keys that does as told, and stages."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from hmac import digest
from pathlib import Path
from typing import Any

import trio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from request_fields import Fields

from frames.wire_values import HEAD_HAS_MORE, HEAD_HAS_TENANT
from penstock.settings.identity import Issuer, KeysPlace, issuers_kind
from proxy.edge.respond import respond
from proxy.policy.authorize import authorize
from proxy.policy.identify import make_identify
from proxy.policy.identity.api_keys import ApiKeys
from proxy.policy.identity.callers import Callers
from proxy.policy.identity.document import parse_keys
from proxy.policy.identity.keyring import Keyring, Times
from proxy.policy.identity.source import SourceError
from proxy.policy.identity.verify import Verifier
from proxy.request.exchange import Exchange
from proxy.request.route_policy import RoutePolicy
from proxy.request.snapshot import Limits, Snapshot
from proxy.request.stage import Answer, Result
from proxy.route.table import Route, RouteTable

NOW_S = 1_800_000_000.0
ISSUER = "https://login.example/"
CLAIMS: Mapping[str, Any] = {"iss": ISSUER, "aud": "penstock", "sub": "anna", "exp": NOW_S + 300}
SNAPSHOT = Snapshot(RouteTable(), Limits())


def b64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Signer:
    """A key and what is signed with it. algorithm: one of the four; bits: of an RSA key."""

    def __init__(self, algorithm: str, key_id: str | None = None, bits: int = 2048) -> None:
        self.algorithm = algorithm
        self.key_id = key_id
        self.members: dict[str, Any]
        self._sign: Callable[[bytes], bytes]
        self.members, self._sign = getattr(self, f"_make_{algorithm.lower()}")(bits)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key; of HS256 the secret."""
        return self.members | ({"kid": self.key_id} if self.key_id else {})

    def token(self, claims: Mapping[str, Any] | None = None, /, **header: Any) -> bytes:
        """A token. header: what is to be different there; None for what is to be left out."""
        given = {"alg": self.algorithm, "kid": self.key_id} | header
        shown = {name: value for name, value in given.items() if value is not None}
        return self.signed(json.dumps(shown), json.dumps({**CLAIMS, **(claims or {})}))

    def signed(self, header: str | bytes, payload: str | bytes) -> bytes:
        parts = [part.encode() if isinstance(part, str) else part for part in (header, payload)]
        text = ".".join(map(b64, parts)).encode()
        return text + b"." + b64(self._sign(text)).encode()

    def _make_rs256(self, bits: int) -> tuple[dict[str, Any], Callable[[bytes], bytes]]:
        key = rsa.generate_private_key(65537, bits)
        numbers = key.public_key().public_numbers()
        return (
            {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)},
            lambda text: key.sign(text, padding.PKCS1v15(), hashes.SHA256()),
        )

    def _make_es256(self, _: int) -> tuple[dict[str, Any], Callable[[bytes], bytes]]:
        key = ec.generate_private_key(ec.SECP256R1())
        numbers = key.public_key().public_numbers()

        def sign(text: bytes) -> bytes:
            r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")

        x, y = (b64(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}, sign

    def _make_eddsa(self, _: int) -> tuple[dict[str, Any], Callable[[bytes], bytes]]:
        key = ed25519.Ed25519PrivateKey.generate()
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().public_bytes_raw())}, key.sign

    def _make_hs256(self, _: int) -> tuple[dict[str, Any], Callable[[bytes], bytes]]:
        secret = sha256(b"a secret of the tests").digest()
        return {"kty": "oct", "k": b64(secret)}, lambda text: digest(secret, text, "sha256")


@cache
def signer(algorithm: str, key_id: str | None = "k1") -> Signer:
    """The same signer each time: RSA keys take their time."""
    return Signer(algorithm, key_id)


def jwks(*signers: Signer) -> bytes:
    return json.dumps({"keys": [each.jwk for each in signers]}).encode()


class FakeSource:
    """Gives what it has, or fails where that is a text; waits first, if told."""

    name = "https://login.example/jwks"

    def __init__(self, document: bytes | str | None) -> None:
        self.document = document
        self.delay_s = 0.0
        self.reads = 0

    async def read(self, timeout_s: float) -> bytes | None:
        self.reads += 1
        await trio.sleep(self.delay_s)
        if isinstance(self.document, str):
            raise SourceError(self.document)
        return self.document

    def forget(self) -> None:
        pass


def issuer(**changes: Any) -> Issuer:
    """An issuer of RS256 tokens for this platform."""
    given: dict[str, Any] = {"name": "login", "issuer": ISSUER, "audience": ("penstock",), "algorithms": ("RS256",)}
    return Issuer(**({**given, "jwks": KeysPlace(path=Path("/nowhere.json"))} | changes))


def parsed_issuer(text: str) -> Issuer:
    return issuers_kind().parse(text)[0]


class Bench:
    """Both stages over callers, at a time that can be changed."""

    def __init__(
        self,
        *signers: Signer,
        api_keys: ApiKeys | None = None,
        keyring: Keyring | None = None,
        count_max: int = 100,
        forwards_credentials: bool = False,
        **changes: Any,
    ) -> None:
        self.now_s = NOW_S
        self.steady_s = 0.0
        algorithms = tuple(dict.fromkeys(each.algorithm for each in signers)) or ("RS256",)
        keys = parse_keys(jwks(*signers)) if signers else None
        self.keyring = keyring or Keyring(FakeSource("down"), Times(), keys, clock=lambda: self.steady_s)
        self.verifier = Verifier(
            [(issuer(**({"algorithms": algorithms} | changes)), self.keyring)] if signers or keyring else [],
            api_keys or ApiKeys([]),
            30.0,
        )
        self.callers = Callers(
            self.verifier,
            count_max=count_max,
            forwards_credentials=forwards_credentials,
            clock=lambda: self.steady_s,
            wall_clock=lambda: self.now_s,
        )
        self.identify = make_identify(self.callers)

    def ask(self, policy: RoutePolicy | None = None, **fields: bytes) -> tuple[Result, Exchange, Fields]:
        """Run both stages. fields: ``token`` for a bearer token, ``tenant``, ``authorization``, ``x_api_key``."""
        if "token" in fields:
            fields["authorization"] = b"Bearer " + fields.pop("token")
        if "tenant" in fields:
            fields["x_tenant_id"] = fields.pop("tenant")
        said = Fields({name.encode().replace(b"_", b"-"): value for name, value in fields.items()})
        exchange = Exchange(said, SNAPSHOT)
        flags = HEAD_HAS_TENANT if "x_tenant_id" in fields else 0
        flags |= HEAD_HAS_MORE if {"authorization", "x_api_key"} & fields.keys() else 0
        exchange.begin(7, 1, flags, b"/", SNAPSHOT)
        exchange.route = Route(0, 1, "/", policy=policy or RoutePolicy())
        return self.identify(exchange) or authorize(exchange), exchange, said

    def answer(self, policy: RoutePolicy | None = None, **fields: bytes) -> Result:
        return self.ask(policy, **fields)[0]


def rendered(answer: Result) -> tuple[int, bytes, bytes]:
    """Status, header lines and body, as the client has them."""
    assert isinstance(answer, Answer)
    shown = respond(
        answer.reason,
        request_id=b"r",
        correlation_id=b"c",
        detail=answer.detail,
        headers=answer.headers,
        retry_after_s=answer.retry_after_s,
    )
    return shown.status, shown.lines, shown.body


def unauthenticated(*, has_token: bool = True) -> tuple[int, bytes, bytes]:
    """The one answer to whoever proves nothing."""
    error = b', error="invalid_token"' if has_token else b""
    return (
        401,
        b"content-type: application/problem+json\r\ncache-control: no-store\r\n"
        b'www-authenticate: Bearer realm="penstock"' + error + b"\r\n",
        b'{"type":"urn:penstock:reason:unauthenticated","title":"This path needs a valid identity.","status":401,'
        b'"reason":"unauthenticated","request_id":"r","correlation_id":"c"}',
    )


def problem(status: int, code: str, title: str, detail: str = "", retry_after: str = "") -> tuple[int, bytes, bytes]:
    """The answer for another reason, without fields of its own but Retry-After."""
    lines = "content-type: application/problem+json\r\ncache-control: no-store\r\n"
    lines += f"retry-after: {retry_after}\r\n" if retry_after else ""
    members = {"type": f"urn:penstock:reason:{code}", "title": title, "status": status, "reason": code}
    members |= {"request_id": "r", "correlation_id": "c"} | ({"detail": detail} if detail else {})
    return status, lines.encode(), json.dumps(members, separators=(",", ":")).encode()


FORBIDDEN = problem(403, "forbidden", "This identity may not do that.")
TENANT_FORBIDDEN = problem(403, "tenant_forbidden", "Not for this tenant.")
TENANT_MISSING = problem(400, "tenant_missing", "This path is asked for a tenant, by x-tenant-id.")
TENANT_INVALID = problem(
    400,
    "tenant_invalid",
    "The x-tenant-id header field is not a valid tenant.",
    "A tenant is 1 to 64 of A-Z a-z 0-9 . _ - in x-tenant-id.",
)
KEYS_UNAVAILABLE = problem(
    503, "keys_unavailable", "The keys that tokens are verified with cannot be had.", retry_after="1"
)
