"""The embedded LSTM language model with an explicit, thresholded backward pass."""
