"""The embedded LSTM language model with an explicit, thresholded backward pass.

Arrays are feature-first inside: a sequence is [F, T, B] (features, time, batch) and one time step [F, B].
Then every gate of a time step is one contiguous block, and BLAS multiplies ``U h`` a third to a half faster
than in the batch-first form. Traces are written as [T, B, F] all the same.
"""
