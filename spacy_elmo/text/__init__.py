"""Files of text, read once and in order: decompressed, decoded, cut into whole lines. No spaCy."""
