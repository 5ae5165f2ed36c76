"""Running a gateway as several processes: who listens where, who serves, who takes the place of whom.

sockets       the listening sockets of all workers, which nobody but the supervisor closes
worker        one worker: its process, its connection, its end
crashes       when to start again, and when to give up
supervisor    keeps one worker in each slot, and replaces workers without losing a connection
upgrade       what the program says to the one that takes its place
notify        what a service manager is told
"""

from typing import Final

WORKER_FLAG: Final = "--as-worker"
"""Begins the words of a worker."""
