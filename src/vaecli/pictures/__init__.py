"""Image grids, curves and maps, as the content of a file.

Other rooms take the functions of `grids`, `loss_curves` and `latent_map`, the `ENDINGS` of `grids`
and `style`, and `run_pictures.RunPictures`. Only `run_pictures` knows models and runs, and writes
files. A file takes only from those named before it: `style`, `grids`, `loss_curves`, `latent_map`,
`run_pictures`.
"""
