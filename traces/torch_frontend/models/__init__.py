"""The models of the applications, written with PyTorch's own layers: what `sparsify` is made to be used on."""
