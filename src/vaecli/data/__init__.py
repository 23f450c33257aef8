"""Images in memory, their splits, and the readers of data sets.

Other rooms take `images.Images`, `splits.Splits`, `splits.load` and `splits.load_split`. Only
`splits` asks a reader; to add a data format, see `readers`.
"""
