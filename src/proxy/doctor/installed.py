"""Python, the C extension, and packages that are only needed where settings ask for them."""

import platform
import ssl
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from proxy import __version__
from proxy.config import GatewayConfig

from .finding import Finding, ok

PACKAGES: Final = ("trio", "cffi", "msgspec", "click", "h11", "PyYAML", "prometheus-client")
_SOURCES: Final = Path(__file__).resolve().parents[3] / "csrc"
_REBUILD: Final = "build it again (make native), or install the distribution again"


def installed_version(package: str) -> str:
    """Return the version of a package; empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def judge_versions(version_of: Callable[[str], str] = installed_version) -> Finding:
    """What is installed, and whether anything that is always needed is not."""
    about = "versions"
    versions = {package: version_of(package) for package in PACKAGES}
    missing = [package for package, found in versions.items() if not found]
    if missing:
        fix = f"install penstock again, or: {sys.executable} -m pip install {' '.join(missing)}"
        return Finding(about, "error", f"not installed: {', '.join(missing)}", fix)
    told = ", ".join(f"{package} {found}" for package, found in versions.items())
    return ok(about, f"penstock {__version__}, Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, {told}")


def judge_extras(config: GatewayConfig, version_of: Callable[[str], str] = installed_version) -> list[Finding]:
    """Whether what the settings ask for is installed."""
    wanted = [("identity", "identity.issuers", bool(config.identity.issuers), ("joserfc", "cryptography"))]
    findings = []
    for extra, setting, is_set, packages in wanted:
        missing = [package for package in packages if not version_of(package)]
        if is_set and missing:
            what = f"{setting} is set, and {', '.join(missing)} is not installed"
            findings.append(Finding(setting, "error", what, f"pip install 'penstock[{extra}]'"))
    return findings


def judge_extension(sources: Path = _SOURCES) -> Finding:
    """Whether the C extension can be loaded, works, and is not older than its sources, where these are at hand."""
    about = "extension"
    try:
        native = import_module("frames._native")
        codec = import_module("frames.codec")
        import_module("frames.wire")
        found = codec.scan(codec.encode_frame(8, 1, 1, b"works"))
    except (ImportError, AttributeError, OSError) as error:
        return Finding(about, "error", f"it cannot be loaded: {str(error).splitlines()[0]}", _REBUILD)
    if len(found.frames) != 1 or found.error:
        return Finding(about, "error", "it does not read what it has written", _REBUILD)
    path = Path(str(native.__file__))
    changed = [each for each in sources.glob("*.[ch]") if each.stat().st_mtime > path.stat().st_mtime]
    if changed:
        names = ", ".join(sorted(each.name for each in changed)[:3]) + (", ..." if len(changed) > 3 else "")
        return Finding(about, "warning", f"{path.name} is older than its sources: {names}", _REBUILD)
    return ok(about, f"{path.name} is loaded, and works")
