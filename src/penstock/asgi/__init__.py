"""An existing ASGI application (Starlette, FastAPI, Litestar, ...) behind the gateway, unchanged."""

from penstock.asgi.bridge import AsgiService

__all__ = ["AsgiService"]
