"""Secrets in files of their own."""

from pathlib import Path

from .errors import BadValueError

SECRET_FILE_BYTES_MAX = 65_536


def read_secret(path: str) -> str:
    """Return a file's text without the space around it.

    Raises:
        BadValueError: it cannot be read, or there is nothing in it. The text is in no message.
    """
    try:
        with Path(path).open("rb") as stream:
            text = stream.read(SECRET_FILE_BYTES_MAX).decode("ascii", "replace").strip()
    except (OSError, ValueError) as error:
        why = f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is no path'}"
        raise BadValueError(why, "name a file that this user may read", code="secret_unreadable", shown="") from None
    if not text:
        fix = "write the secret into it, or unset the variable"
        raise BadValueError(f"{path} is empty", fix, code="secret_empty", shown="")
    return text
