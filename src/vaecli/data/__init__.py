"""Images in memory, their splits, and the formats that they are read from.

Other rooms take `images.Images`, `splits.load` and `splits.load_split`."""
