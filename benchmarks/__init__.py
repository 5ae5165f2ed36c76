"""Penstock beside nginx, HAProxy and uvicorn: one run, the same load, pinned processes, CPU time from the kernel.

Run from the root of the checkout: ``python -m benchmarks [CASE ...] [--seconds N] [--repeat N] [--quick] [--list]``.

Layout, in the order in which a run passes through it:

- ``__main__``   the command line, and the exit code
- ``machine``    cores, limits, facts about this machine
- ``tools``      what must be there first: programs from Debian, an environment with uvicorn, compiled C
- ``servers``    one started program: pinned, waited for, always ended
- ``rivals``     nginx, HAProxy, uvicorn, each in its best case
- ``gateway``    Penstock, the frame upstream in C, the Python service
- ``load``       wrk, the closed loop in C, and ten thousand idle connections
- ``accounting`` CPU time and memory of processes, from ``/proc``
- ``rounds``     contenders measured in turns: A B C, C B A, A B C
- ``cases``      the cases; ``codec_case`` holds those without a network
- ``targets``    the table of what must be reached
- ``report``     the tables, ``results.json`` and ``table.md``

The rules. The program under test has core 0 for itself; load and upstream share core 1. What is charged is user plus
system time of all processes of the program under test, divided by the requests that were answered meanwhile. Each
contender is warmed up, then measured several times in turns with the others; medians are compared, and the spread is
shown. Rivals do less work than Penstock does (no ids, no trace, no deadline): they run with the least that passes a
request on.
"""
