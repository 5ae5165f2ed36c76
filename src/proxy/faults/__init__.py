"""Faults on purpose: requests are delayed, refused, cut or slowed as rules say, so that it can be seen what holds.

Nothing of it is loaded, nor in the path of any route, where ``faults.enabled`` is off.
"""
