"""The access log: a line for each request that chance draws, or for all of them.

    lines   what a line says, as JSON or for people
    log     where lines go, through a writer that never waits

Nothing of it is loaded before access_log.mode asks for it.
"""
