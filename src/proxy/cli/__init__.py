"""The command `penstock`. Each sub-command is a module of its own, imported only when it is used.

main      the command itself
failures  what is known to go wrong: one line each, and the exit code
options   settings as flags, from the registry
development    certificates for development
serve, demo, config, check, cert    the sub-commands
"""
