"""The options of a run, from text to objects.

Other packages use `Config` and `Spec`, the functions of `build`, and the texts of `catalogue` about
parts and presets. Only `build` and `catalogue`, which import the classes of the parts, import
torch.
"""
