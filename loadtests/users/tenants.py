"""Clients of many tenants, each as quiet as the others; each tenant has a line of its own in the report."""

import random

from locust import task

from loadtests.client.edge import EdgeUser

TENANTS = ("acme", "birch", "cedar")


class Tenants(EdgeUser):
    """Asks for one of the tenants, chosen when it begins."""

    def on_start(self) -> None:
        """Choose the tenant."""
        self.tenant = random.choice(TENANTS)

    @task
    def read(self) -> None:
        """A small answer."""
        self.ask("GET", "/items/7", name=f"GET /items/{{number}} ({self.tenant})", headers={"x-tenant-id": self.tenant})
