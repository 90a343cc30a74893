"""Pipes that read the component's layers: the listener, and the training of both together."""
