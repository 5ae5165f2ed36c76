"""A gateway for each test, and the census at its end."""

from collections.abc import AsyncIterator

import pytest
from lab import Lab, open_lab


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """A gateway with the default settings."""
    async with open_lab() as lab:
        yield lab


@pytest.fixture
async def lab_without_retries() -> AsyncIterator[Lab]:
    """A gateway that sends nothing again, for what is about a failure itself."""
    async with open_lab(rules="[{retries: none}]") as lab:
        yield lab
