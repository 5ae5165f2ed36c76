"""The edge: where a request enters and its answer leaves."""
