"""The Thinc model of the component, and the biLM inside it."""
