"""The experiments behind the tables of the documentation: `python -m evaluation.NAME`, run in the
root of a checkout.

Word senses: `coarsewsd`, `senses` (the classifiers of `elmo_senses`), `wic`, `random_pairs`,
`contexts` (beside other kinds of vectors). Static vectors: `distilled`. Layers: `probe`. Grammar:
`blimp`. Pipelines with and without the language model: `rows` makes every `row`, `table` prints
them. Pretraining: `training_study`. The rest is what these share: `encoders`, `readers`, `tasks`,
`report`.
"""
