"""Readers of data sets: one module per file format, and two tables of them.

`formats` is the table of formats that the user's own images may have: each is listed by a function
`list_x(path)`, and every image of the `Listing` is read later, one at a time, by `decode`.
`public_sets` lists the data sets that `vaecli data download` gets; `torchvision_sets` reads them.

`named` is the table of data sets with a name. A reader is a function `reader(directory, split)`
that returns pixels and labels. `directory` is the folder of `data_dir`, or None; `split` is "train"
or "test". Pixels are unsigned bytes of shape `(N, C, H, W)`, or `(N, H, W)` for grey images; labels
are integers from 0 of shape `(N,)`. A reader raises `DataError` if a file is missing or damaged,
with its path, what was expected and what was found, and `ConfigError` if it needs a `directory` and
got None.

To add a data set, write such a function in a new module of this package, and add a line to
`READERS` in `named`; its key is a value of `--data`. Nothing else changes: `splits` limits the
number of images, splits them and hides labels, and `Images` scales and binarizes pixels.
"""
