"""Export of trained models: graphs that run without vaecli, as ONNX and as torch.export files."""
