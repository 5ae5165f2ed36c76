"""Calls: where services ask (docs/protocol.md, section 8), as the edge is where clients ask."""
