"""The component `elmo_senses`: labels the senses of words, learned from a few examples each."""
