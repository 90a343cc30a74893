"""spaCy: the `elmo` component, its architectures, and what it puts on Docs."""
