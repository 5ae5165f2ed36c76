"""Asks the admin listener of a running gateway: one request, one answer in JSON, and one line for what goes wrong."""

import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn
from urllib.parse import urlencode

import msgspec

from penstock.settings import Address, Secret

from ..config import GatewayConfig
from .failures import AdminError

if TYPE_CHECKING:
    import http.client

TIMEOUT_S: Final = 60.0
"""A gateway reads a large file of settings for some seconds, before it answers."""
BYTES_MAX: Final = 64 << 20

_TOKEN_FIX: Final = "set admin.token (PENSTOCK_ADMIN_TOKEN_FILE, --admin-token-file) as the gateway has it"  # noqa: S105


class AdminAnswer(NamedTuple):
    """A status of HTTP, and what the JSON of the body stands for."""

    status: int
    value: Any


class AdminClient:
    """Asks the gateway whose admin listener has this address. token: what the listener wants, if anything."""

    def __init__(self, address: Address, token: Secret) -> None:
        """Nothing is dialled yet."""
        self._address = _dialled(address)
        self._token = token

    def get(self, path: str, query: Mapping[str, str | Sequence[str]] | None = None) -> Any:
        """Return what a page says.

        Raises:
            AdminError: nobody answers, it is no gateway, the token is wrong, or the page says what is wrong with the
                query. Its text is one line, with the fix.
        """
        target = f"{path}?{urlencode(query, doseq=True)}" if query else path
        answer = self._ask("GET", target)
        if answer.status != 200:
            self._fail(answer, path)
        return answer.value

    def post(self, path: str) -> AdminAnswer:
        """Ask for something to be done; whether it was is said by the status: 200, or 409 with the reasons.

        Raises:
            AdminError: as of `get`.
        """
        answer = self._ask("POST", path)
        if answer.status not in (200, 409):
            self._fail(answer, path)
        return answer

    def begin(self, path: str, query: Mapping[str, str | Sequence[str]]) -> Any:
        """Ask for something to be begun, and return what the page then says.

        Raises:
            AdminError: as of `get`; also where it cannot be begun now.
        """
        answer = self._ask("POST", f"{path}?{urlencode(query, doseq=True)}" if query else path)
        if answer.status != 200:
            self._fail(answer, path)
        return answer.value

    def put(self, path: str, query: Mapping[str, str | Sequence[str]]) -> Any:
        """Change something, and return what the page then says.

        Raises:
            AdminError: as of `get`.
        """
        answer = self._ask("PUT", f"{path}?{urlencode(query, doseq=True)}")
        if answer.status != 200:
            self._fail(answer, path)
        return answer.value

    def is_there(self) -> bool:
        """Whether somebody listens."""
        try:
            socket.create_connection((self._address.host, self._address.port), timeout=TIMEOUT_S).close()
        except OSError:
            return False
        return True

    def _ask(self, method: str, target: str) -> AdminAnswer:
        import http.client

        headers = {"accept": "application/json", "connection": "close"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token.reveal()}"
        connection = http.client.HTTPConnection(self._address.host, self._address.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, target, headers=headers, body=None if method == "GET" else b"")
            with connection.getresponse() as response:
                return self._read(response)
        except ConnectionRefusedError:
            raise AdminError(
                f"nobody listens on {self._address}, the gateway's admin.listen: is it running, and is it this one?"
            ) from None
        except TimeoutError:
            raise AdminError(f"no answer from {self._address} within {TIMEOUT_S:g} s") from None
        except socket.gaierror as error:
            raise AdminError(f"{self._address.host} cannot be found: {error.strerror}; correct admin.listen") from None
        except OSError as error:
            raise AdminError(f"{self._address} cannot be asked: {error.strerror or error}") from None
        except http.client.HTTPException:
            self._fail_stranger()
        finally:
            connection.close()

    def _read(self, response: "http.client.HTTPResponse") -> AdminAnswer:
        if (response.getheader("content-type") or "").partition(";")[0] not in ("application/json", ""):
            self._fail_stranger()
        try:
            return AdminAnswer(response.status, msgspec.json.decode(response.read(BYTES_MAX)))
        except msgspec.DecodeError:
            self._fail_stranger()

    def _fail_stranger(self) -> NoReturn:
        raise AdminError(f"what listens on {self._address} is not a gateway's admin listener; correct admin.listen")

    def _fail(self, answer: AdminAnswer, path: str) -> NoReturn:
        if answer.status == 401:
            what = "is wrong" if self._token else "is missing"
            raise AdminError(f"the admin listener on {self._address} wants its token, which {what}; {_TOKEN_FIX}")
        if answer.status in (404, 405) and not _detail(answer.value):
            raise AdminError(f"the gateway on {self._address} has no page {path}; it may be of another version")
        said = _detail(answer.value) or _title(answer.value) or "it does not say why"
        raise AdminError(f"the gateway on {self._address} answers {answer.status}: {said}")


def _dialled(address: Address) -> Address:
    """Return where to reach a listener: one on all addresses is on this machine's own, too."""
    if address.host == "0.0.0.0":  # noqa: S104 - a question, not a bind
        return Address("127.0.0.1", address.port)
    return Address("::1", address.port) if address.host == "::" else address


def _detail(value: Any) -> str:
    return str(value.get("detail") or "") if isinstance(value, dict) else ""


def _title(value: Any) -> str:
    return str(value.get("title") or "") if isinstance(value, dict) else ""


def admin_client(config: GatewayConfig) -> AdminClient:
    """Return a client of the gateway that has these settings."""
    return AdminClient(config.admin.listen, config.admin.token)
