"""The pieces a model is made of. Each returns a `torch` distribution."""
