"""What the user chose, from text to objects.

Other packages use `Config` and `Spec`, the functions of `build`, and the texts of `catalogue` on
parts and presets. Importing a module of this package imports no torch, except `build` and
`catalogue`, which know the classes of the parts.
"""
