"""The kinds of users: one protocol or habit each, one file each. To write another, copy one (loadtests/README.md)."""
