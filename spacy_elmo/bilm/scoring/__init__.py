"""What a language model says of words: how probable each is where it stands, and which others."""
