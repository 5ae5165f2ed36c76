"""The settings as the admin page shows them."""

from typing import Any

from penstock.settings import Loaded
from penstock.settings.explain import rows
from proxy.beside_traffic import beside_traffic
from proxy.config import GatewayConfig, gateway_registry


def shown_settings(loaded: Loaded[GatewayConfig]) -> list[dict[str, Any]]:
    """Return name, value, origin and default of each setting, secrets as stars. In a thread: rules may be many."""
    with beside_traffic():
        shown = rows(gateway_registry(), loaded)
        return [{key: getattr(row, key) for key in ("name", "value", "origin", "default", "applies")} for row in shown]
