"""Where spaCy splits the entries: a tokenizer, or a saved pipeline."""
