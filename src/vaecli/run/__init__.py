"""The run directory. Only this package knows its file names and formats.

Other packages use `run.Run`, which reads; `writer.RunWriter`, which writes during training;
`create` for a new run; `branch` for one that goes on from a checkpoint; `find` for existing runs;
and `names`. Only `writer`, `branch` and `checkpoint` import torch, so that a plot of the losses
need not wait for it.
"""
