"""Other simulators, run for real in environments of their own."""
