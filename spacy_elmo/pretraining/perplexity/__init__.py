"""Perplexity with the full softmax."""
