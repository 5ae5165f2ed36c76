"""What all tests share: how much property tests try. The same examples each time, unless somebody fuzzes on purpose."""

import os

from hypothesis import settings

settings.register_profile("test", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("fuzz", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))
