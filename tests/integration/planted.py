"""Secrets that are planted where secrets come in, to be found nowhere where something comes out."""

import secrets
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from urllib.parse import quote

import msgspec


class Plants:
    """Secrets by where they were planted."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def plant(self, where: str) -> str:
        """Return a secret for one place, unlike all others. It has no space, and no character that needs quotes."""
        self._texts[where] = f"plant{len(self._texts):02}{secrets.token_urlsafe(24)}"
        return self._texts[where]

    def take(self, where: str, text: str) -> str:
        """Look for this one, too, which somebody else has made."""
        self._texts[where] = text
        return text

    def take_key(self, where: str, file: Path) -> None:
        """Look for each line of a key in PEM."""
        for number, line in enumerate(file.read_text().splitlines()):
            if not line.startswith("-----") and len(line) > 32:
                self.take(f"{where}, line {number}", line)

    def found(self, where: str, output: bytes) -> list[str]:
        """Return what was found in an output: where it was planted, and what stands around it."""
        return [
            f"{planted} in {where}: ...{output[max(0, at - 80) : at + 40]!r}"
            for planted, text in self._texts.items()
            for form in _forms(text)
            if (at := output.find(form)) >= 0
        ]


def _forms(text: str) -> set[bytes]:
    plain = text.encode()
    quoted = {msgspec.json.encode(text)[1:-1], quote(text, safe="").encode(), repr(text)[1:-1].encode()}
    return {plain, *quoted, plain.hex().encode(), b64encode(plain).rstrip(b"="), urlsafe_b64encode(plain).rstrip(b"=")}
