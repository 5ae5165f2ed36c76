"""Records: what became of requests that have ended, by name.

The wire keeps a fixed record of each (`frames.records`): numbers of routes, connections and reasons, cut texts, times.
`names` says what the numbers stand for, and `named` puts a record together as people and their programs read it. Only
who looks at a record pays for that.
"""
