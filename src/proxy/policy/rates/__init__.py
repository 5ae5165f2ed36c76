"""How often something may be asked, and who has asked too often.

store       counts by key (GCRA), in memory; another one can take its place
keys        by what a request is counted: route, tenant, principal, address
plan        a route's limits, made ready to be counted by
limiter     asks the store, and answers 429
stages      admit and rate_limit
"""
