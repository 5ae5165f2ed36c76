"""A tenant that is noisy: its clients never pause. What its neighbours notice of it is in their lines of the report."""

from locust import task

from loadtests.client.edge import EdgeUser

TENANT = "noisy"


class NoisyTenant(EdgeUser):
    """Asks again as soon as it is answered."""

    def wait_time(self) -> float:
        """It does not think."""
        return 0.0

    @task
    def read(self) -> None:
        """A small answer; or 429, where its rate is limited, which is what a limit is for."""
        self.ask(
            "GET", "/items/7", name="GET /items/{number} (noisy)", headers={"x-tenant-id": TENANT}, expect=(200, 429)
        )
