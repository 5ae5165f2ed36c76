"""What the conformance tests share with the integration tests: the gateway in a lab, its clients and its services."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
