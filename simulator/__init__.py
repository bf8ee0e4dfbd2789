"""A cycle-level, event-driven model of a zero-skipping MAC array that replays recorded traces."""
