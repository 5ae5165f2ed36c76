"""Puts a run together: plan, stand, generator, nemesis, samples, and at the end record, verdict and report.

plan       what a run is to be: read from YAML, checked, changed by the command line
site       the stand, or a gateway that somebody else has started
generator  the process that sends the load
conduct    the run itself
live       the line that shows how it goes
colour     what a verdict says at a terminal
finish     what is written and said in the end, and the exit code
command    the command line
"""
