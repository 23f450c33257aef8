"""Image grids, curves and maps, as the content of a file.

Other packages use the functions of `grids`, `loss_curves`, `latent_map` and `tuning`, the `ENDINGS`
of `grids` and `style`, `themes`, `option_axes.OptionAxis`, `check_grid.draw_findings` and
`run_pictures.RunPictures`. Only `run_pictures` uses models and runs, and writes files. A module
imports only from those listed before it: `themes`, `style`, `grids`, `check_grid`, `loss_curves`,
`label_places`, `latent_map`, `trial_losses`, `option_axes`, `parallel_axes`, `tuning`,
`run_pictures`.
"""
