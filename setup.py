"""The part of the build that pyproject.toml cannot say: the C extension, and the abi3 tag of its wheel."""

from setuptools import setup

setup(
    cffi_modules=["csrc/build.py:builder"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
