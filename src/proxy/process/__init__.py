"""Processes: what starts, listens, hears signals, supervises workers, and ends."""
