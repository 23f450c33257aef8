"""What the user chose, from text to objects.

Other rooms take `Config` and `Spec`, the functions of `build`, and what `catalogue` says of parts
and presets. Importing a module of this room imports no torch, but for `build` and `catalogue`,
which know the classes of the parts.
"""
