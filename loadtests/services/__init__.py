"""The services of the stand: one that behaves, and one that misbehaves when it is told to."""
