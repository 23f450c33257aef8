"""One module per file format: a path and a split to pixels and labels."""
