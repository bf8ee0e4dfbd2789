"""Fuzzing of everything that is read: surfaces, what makes their inputs, the judge, and the long command."""
