"""What happened in training: traces of which gate gradients were zero."""
