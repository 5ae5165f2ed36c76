"""Shows with a stall on purpose what a closed loop does not see: `python -m loadtests.truth` writes latency_truth.md.

page  the page, of what was measured; pure
"""
