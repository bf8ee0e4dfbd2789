"""What is trained: a corpus, a model and the figures that judge it, one file per application."""
