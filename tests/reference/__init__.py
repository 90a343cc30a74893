"""A plain float64 numpy ELMo, written for clarity: the oracle the fast code is compared with.

It shares no code with `spacy_elmo` and imports nothing of it. Weights are a dict of arrays keyed
by the dataset names of the published HDF5 files, options are the published `options.json`, and
every formula is in the terms of the original TensorFlow program (bilm-tf). One sentence at a
time, one step at a time: nothing is padded, sorted, batched or cached.
"""
