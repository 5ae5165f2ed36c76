"""Penstock beside nginx, HAProxy, uvicorn and Hypercorn: one run, the same load, pinned processes, CPU from the kernel.

Run from the root of the checkout: ``python -m benchmarks [CASE ...] [--seconds N] [--repeat N] [--quick] [--list]``.

Layout, in the order in which a run passes through it:

- ``__main__``   the command line, and the exit code
- ``machine``    cores, limits, facts about this machine
- ``tools``      what must be there first: programs, packages for rivals in Python, compiled C; ``certificate``
- ``servers``    one started program: pinned, waited for, always ended
- ``rivals``     nginx, HAProxy, uvicorn, Hypercorn, each in its best case; behind them ``body_upstream.c``
- ``gateway``    Penstock, and the services behind it, in C (``frame_upstream.c`` and its parts) and in Python
- ``contenders`` one of these with what stands behind it, checked
- ``load``       wrk, the closed loop in C, large bodies (``body_load.c``)
- ``steady``     load at a steady rate (``steady_load.c``), for what happens when something is lost, or is too much
- ``held``       ten thousand idle connections; ``slow_bodies`` two hundred that hardly move
- ``accounting`` CPU time and memory of processes, from ``/proc``
- ``rounds``     contenders measured in turns: A B C, C B A, A B C
- ``cases``      the cases; ``memory_cases`` and ``codec_case`` hold those without load, ``lost_case`` and
  ``overload_case`` those in trouble
- ``targets``    the table of what must be reached; ``judgement`` says whether it is
- ``report``     the tables, ``results.json`` and ``table.md``

The rules. The program under test has core 0 for itself; load and upstream share core 1. What is charged is user plus
system time of all processes of the program under test, divided by the requests that were answered meanwhile. Each
contender is warmed up, then measured several times in turns with the others; medians are compared, and the spread is
shown. Rivals do less work than Penstock does (no ids, no trace, no deadline): they run with the least that passes a
request on.
"""
