"""The training loop and its state. Nothing here writes to a run directory or prints.

Other packages use `state.start`, `loop.fit`, `State`, `Step`, `Epoch` and `runtime.setup_runtime`.
"""
