"""Images in memory, their splits, and the readers of data sets.

Other packages use `images.Images`, `splits.Splits`, `splits.load` and `splits.load_split`. Only
`splits` calls a reader; to add a data format, see `readers`.
"""
