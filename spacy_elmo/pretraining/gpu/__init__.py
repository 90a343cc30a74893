"""Training for a GPU: the whole corpus on the device, a step as one captured graph."""
