"""Pretraining: prepared corpora, the training loop, evaluation. Only `prepare` needs spaCy."""
