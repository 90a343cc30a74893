"""How the network runs fast without gradients."""
