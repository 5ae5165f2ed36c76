"""What goes wrong on purpose in a run, as data: read from YAML, drawn with a seed, done to the stand alone.

schedule  what a file says, checked, and when each event is
deeds     how each of them is done
nemesis   does them in time, and tells what was done
"""
