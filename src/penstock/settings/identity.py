"""Who issues tokens, and the keys of machines: values of settings, and the kinds that they are read with."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from .claims import ClaimValue, GivenClaim
from .errors import BadValueError
from .files import FilePath
from .registry import Setting
from .tables import NOWHERE, ListOf, Places, TableList, TextMap
from .types import Raw, Text, TextKind

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA", "HS256")
TENANT_FORM: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Of docs/protocol.md, section 3."""
_LOOPBACK: Final = re.compile(r"localhost|127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|::1", re.IGNORECASE)


class Algorithm(TextKind[str]):
    """How a token may be signed."""

    label = "algorithm"
    example = "RS256"

    def parse_text(self, text: str) -> str:
        """Return the algorithm: letter by letter, as it stands in tokens."""
        if text not in ALGORITHMS:
            near = next((name for name in ALGORITHMS if name.lower() == text.lower()), " or ".join(ALGORITHMS))
            raise BadValueError(f"{text!r} is no algorithm that is taken", f"write {near}")
        return text


class KeysPlace(msgspec.Struct, frozen=True):
    """Where a JWK set is: a file, or a URL; one of the two."""

    path: Path | None = None
    url: str = ""

    def __str__(self) -> str:
        """Return the path or the URL."""
        return self.url or str(self.path)


class KeysPlaceKind(TextKind[KeysPlace]):
    """A file of keys, or the URL of one: https, or http on this machine alone."""

    label = "place of keys"
    example = "https://login.example.com/.well-known/jwks.json"

    def parse_text(self, text: str) -> KeysPlace:
        """Read a URL, or take it for a path. Whether there are keys is asked later."""
        if "\0" in text:
            raise BadValueError("it has a NUL in it", f"write {self.example}")
        if "://" not in text:
            return KeysPlace(path=Path(text) if text else None)
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise BadValueError("it is no URL", f"write {self.example}") from None
        self._check(text, parts.scheme, host)
        if parts.username is not None or parts.password is not None:
            raise BadValueError("a URL with a password in it would be shown in logs", "leave them out", shown="")
        return KeysPlace(url=text)

    def _check(self, text: str, scheme: str, host: str) -> None:
        if not host or not re.fullmatch(r"[\x21-\x7e]{1,2048}", text) or "#" in text:
            raise BadValueError("it is no URL of a document", f"write {self.example}")
        if scheme == "http" and not _LOOPBACK.fullmatch(host):
            raise BadValueError("whoever is on the way could put in keys of their own", "write https://")
        if scheme not in ("http", "https"):
            raise BadValueError(f"{scheme!r} is not read", "write https://, or the path of a file")


class KeyHash(TextKind[str]):
    """The SHA-256 of an API key: ``sha256:`` and 64 hexadecimal digits. What is wrong is told without repeating it."""

    label = "hash of a key"
    example = "sha256: and 64 hexadecimal digits, as `penstock key` prints them"

    def parse_text(self, text: str) -> str:
        """Return the digits, in lower case."""
        scheme, _, digits = text.partition(":")
        if scheme != "sha256" or not re.fullmatch(r"[0-9A-Fa-f]{64}", digits):
            raise BadValueError("it is no hash of a key", f"write {self.example}", shown="***")
        return digits.lower()

    @property
    def has_secrets(self) -> bool:
        """Whether it must not be shown: a key that was written here by mistake must not."""
        return True

    def render(self, value: str) -> str:
        """Return stars, or nothing."""
        return "***" if value else ""

    def plain(self, value: str) -> Raw:
        """Return stars, or nothing."""
        return self.render(value)


class Moment(TextKind[float | None]):
    """A moment: a date, which is its beginning in UTC, or a date and time with its zone (RFC 3339). Unix seconds."""

    label = "moment"
    example = "2027-12-31T00:00:00Z"

    def parse_text(self, text: str) -> float | None:
        """Read it, or nothing."""
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise BadValueError(f"{text!r} is no moment", f"write {self.example}") from None
        if moment.tzinfo is None:
            if len(text) > len("2027-12-31"):
                raise BadValueError(f"{text!r} has no zone", f"write {text}Z for UTC")
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()

    def render(self, value: float | None) -> str:
        """Return it in UTC, or nothing."""
        return "" if value is None else datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")


_NAME = Text(r"[A-Za-z0-9._-]{1,64}", "1 to 64 of A-Z a-z 0-9 . _ -", "login")
_PRINTABLE = Text(r"[\x21-\x7e]{1,512}", "ASCII without spaces", "https://login.example.com/")
_CLAIM = Text(r"[^\x00-\x20\x7f]{1,128}", "the name of a claim", "sub")
_PRINCIPAL = Text(
    r"(?!(?i:service:))[\x21-\x7e]{1,256}", "ASCII without spaces that does not begin with service", "reporting"
)
_TENANT = Text(TENANT_FORM.pattern, "1 to 64 of A-Z a-z 0-9 . _ -", "acme")


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """Whose tokens are taken, and what they must say."""

    name: Annotated[str, Setting(_NAME, "", "what it is called in logs and metrics", "", required=True)]
    issuer: Annotated[str, Setting(_PRINTABLE, "", "the claim iss, letter by letter", "", required=True)]
    audience: Annotated[
        tuple[str, ...],
        Setting(ListOf(_PRINTABLE, "audience"), "", "the claim aud: one of them must be there", "", required=True),
    ]
    algorithms: Annotated[
        tuple[str, ...],
        Setting(ListOf(Algorithm(), "algorithm"), "", "how its tokens may be signed", "", required=True),
    ]
    jwks: Annotated[
        KeysPlace, Setting(KeysPlaceKind(), "", "the file or the URL of its keys, a JWK set", "", required=True)
    ]
    jwks_ca: Annotated[
        Path | None,
        Setting(FilePath(), "", "the file of authorities that the URL's certificate is held against", "the system's"),
    ] = None
    tenant_claim: Annotated[
        str,
        Setting(_CLAIM, "", "the claim that says for which tenants a token is", "tokens do not speak of tenants: any"),
    ] = ""
    principal_claim: Annotated[
        str, Setting(_CLAIM, "sub", "the claim that says who asks", "what RFC 7519 calls the subject")
    ] = "sub"
    principal_prefix: Annotated[
        str,
        Setting(_PRINTABLE, "", "what is put before it", "needed where two issuers could name two people alike"),
    ] = ""
    typ: Annotated[
        str, Setting(_PRINTABLE, "", "the header's typ, such as at+jwt", "few issuers set one; then any is taken")
    ] = ""
    pass_claims: Annotated[
        tuple[str, ...],
        Setting(ListOf(_CLAIM, "claim"), "", "the claims that services are told", "all of them, up to 4 KiB of JSON"),
    ] = ()
    where: Places = NOWHERE


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that a machine shows in x-api-key, known by its hash."""

    principal: Annotated[str, Setting(_PRINCIPAL, "", "who it is that shows it", "", required=True)]
    hash: Annotated[str, Setting(KeyHash(), "", "the SHA-256 of the key", "", required=True)]
    claims: Annotated[
        Mapping[str, ClaimValue],
        Setting(TextMap(GivenClaim(), key=_CLAIM), "", "what it claims", "nothing"),
    ] = {}
    tenants: Annotated[
        tuple[str, ...] | None,
        Setting(ListOf(_TENANT, "tenant"), "", "the tenants that it may act for; an empty list for none", "any"),
    ] = None
    expires: Annotated[float | None, Setting(Moment(), "", "from when on it is refused", "never")] = None
    where: Places = NOWHERE

    def __repr__(self) -> str:
        """Who it is for."""
        return f"<ApiKey of {self.principal!r}>"


def _check_issuer(issuer: Issuer) -> Iterable[BadValueError]:
    if not issuer.audience:
        yield BadValueError("tokens for anybody would be taken", "name this platform's audience", path=("audience",))
    if not issuer.algorithms:
        yield BadValueError("no token could be taken", "write [RS256], or what it signs with", path=("algorithms",))
    if "HS256" in issuer.algorithms:
        yield from _check_shared(issuer)
    if issuer.jwks == KeysPlace():
        yield BadValueError("there are no keys", f"write {KeysPlaceKind.example}", path=("jwks",))


def _check_shared(issuer: Issuer) -> Iterable[BadValueError]:
    """HS256 is signed with a secret that both sides share: neither a public key nor what a URL tells can be one."""
    if len(issuer.algorithms) > 1:
        fix = "make two issuers of it, or leave HS256 out"
        why = "HS256 has a secret where the others have a public key, and one could be taken for the other"
        yield BadValueError(why, fix, path=("algorithms",))
    if issuer.jwks.url:
        yield BadValueError("the secret of HS256 is not for a URL", "name a file by jwks", path=("jwks",))


def issuers_kind() -> TableList[Issuer]:
    """Return the kind of ``identity.issuers``."""
    return TableList(Issuer, "issuer", check=_check_issuer)


def api_keys_kind() -> TableList[ApiKey]:
    """Return the kind of ``identity.api_keys``."""
    return TableList(ApiKey, "API key")


ISSUERS: Final = issuers_kind()
API_KEYS: Final = api_keys_kind()
