"""The system under test, which is started for a run, measured once a second, and ended whatever happens."""
