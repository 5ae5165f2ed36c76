"""Loaded by Python at the start of a process; plants the defect when the part of the gateway is loaded that gets it."""

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

NAME = os.environ.get("LOADTESTS_PLANTED", "")
MODULE = "proxy.policy.deadline" if NAME == "drift" else "proxy.edge.express"


class PlantingLoader(Loader):
    """Loads the module as it is, then changes it."""

    def __init__(self, real: Loader) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the real one does."""
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run it, and plant."""
        self._real.exec_module(module)
        from loadtests.planted.defects import plant

        plant(module, os.environ)


class PlantingFinder(MetaPathFinder):
    """Finds one module."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return where the module is, with a loader that plants."""
        if fullname != MODULE:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, None)  # type: ignore[arg-type]
            if spec is not None and spec.loader is not None:
                spec.loader = PlantingLoader(spec.loader)
                return spec
        return None


if NAME:
    sys.meta_path.insert(0, PlantingFinder())
