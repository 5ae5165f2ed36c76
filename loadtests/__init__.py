"""Load tests: traffic, faults and a verdict. README.md tells how to run them, and how to write a user or a shape."""
