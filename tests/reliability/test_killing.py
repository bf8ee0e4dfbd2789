"""What `make faults` relies on: processes die where they are told to, and what is damaged is seen."""
