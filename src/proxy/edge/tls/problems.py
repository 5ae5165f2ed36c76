"""What can be wrong with certificates, said so that one line is enough to mend it."""

from pathlib import Path

from penstock.settings import Problem, SettingsError


class CertificateError(SettingsError):
    """Files of certificates cannot be used. problems: everything that is wrong with them, one line each."""


def cannot_read(what: str, path: Path, error: OSError) -> CertificateError:
    """Return the error for a file that is not there, or not for us."""
    if isinstance(error, FileNotFoundError):
        fix = "name an existing file, or make one for development with `penstock cert`"
        return problem("file_missing", what, path, "there is no such file", fix)
    why = error.strerror or str(error)
    return problem("file_unreadable", what, path, why, "let the gateway's user read it, and only that one")


def problem(code: str, what: str, path: Path, why: str, fix: str) -> CertificateError:
    """Return an error with one problem."""
    return CertificateError([Problem(code, what, str(path), why, fix)])
