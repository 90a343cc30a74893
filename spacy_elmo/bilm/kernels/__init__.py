"""Compiled kernels, chosen at run time by what the processor offers, and the PyTorch path beside.

The C extension `_kernels` is optional: without it, on a GPU and for other float types PyTorch does
the same work.
"""
