"""Readers of data sets: one module per file format, and `named`, the table of data sets.

A reader is a function `reader(directory, split)`, called with the folder that `data_dir` names
(None without one) and with "train" or "test". It returns pixels and labels: unsigned bytes of shape
`(N, C, H, W)`, or `(N, H, W)` for grey images, and integers from 0 of shape `(N,)`. It raises
`DataError` for files that are missing or damaged, with the path, what was expected and what was
found, and `ConfigError` where it cannot do without a `directory`.

To add a format, write such a function in a module of its own here, and add a line to `READERS` in
`named`: its key is a value of `--data`. Nothing else changes: `splits` limits, splits and hides
labels, and `Images` scales and binarizes.
"""
