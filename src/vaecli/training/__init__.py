"""The training loop and its state. It knows no run directory and prints nothing.

Other rooms take `state.start`, `loop.fit`, `State`, `Step`, `Epoch` and `runtime.setup_runtime`.
"""
