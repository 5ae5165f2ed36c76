"""How a supervisor speaks with its workers: frames over a socket pair, a question and an answer each.

`channel` carries whole messages, `client` asks (the supervisor), `server` answers (a worker). What can be asked is
said by the worker's commands (`proxy.process.worker_commands`); nothing here knows them.
"""
