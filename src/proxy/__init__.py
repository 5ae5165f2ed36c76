"""The gateway: the path of one request.

A folder is a stop on the request's way, a file is something that every stop shares; `app` puts the stops together.
"""

__version__ = "0.1.0"
