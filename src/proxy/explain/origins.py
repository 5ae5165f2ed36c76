"""Who made it so, in words: the file and line of a rule or a setting, a variable, or what a service declares."""

from collections.abc import Mapping
from typing import Any

from proxy.config import gateway_registry
from proxy.route.table import Route


class Origins:
    """Says of settings and of parts of policies where they come from."""

    def __init__(self, of_settings: Mapping[str, str] | None) -> None:
        """of_settings: by name; None where that is not known."""
        self._of_settings = of_settings or {}
        self._registry = gateway_registry()

    def setting(self, name: str) -> str:
        """Return a setting's name, and where its value is from: ``edge.deadline (penstock.yaml:3)``."""
        origin = self._of_settings.get(name)
        return f"{name} ({origin})" if origin else name

    def policy(self, route: Route, field: str) -> str:
        """Return who said something about a field of a route's policy; nothing where nobody did."""
        said = route.policy.origins.get(field, "")
        return ", ".join(self._speaker(route, part) for part in said.split(", ")) if said else ""

    def shown(self, name: str, value: Any) -> str:
        """Return a value as a setting of this name would be written: ``800ms``, ``64KiB``."""
        return self._registry[name].kind.render(value)

    def _speaker(self, route: Route, part: str) -> str:
        return f"{part} declares" if part.startswith(f"{route.service} ") else f"rule {part}"
