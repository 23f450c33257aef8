"""Images and their splits, from named data sets and from the user's own files.

Other packages use `images.Images`, `splits.Splits`, `splits.load`, `splits.load_split` and
`inputs.load_input`. `sources` opens what `--data` names; `own_images` lists the user's images,
`assignment` splits them, `preparation` gives them one shape, and `pixels` decodes them into memory
or, if they are many, into the `cache`. To add a data format, see `readers`.
"""
