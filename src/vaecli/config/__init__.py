"""What the user chose, from text to objects.

Other rooms take `Config`, `Spec` and `build`. Importing a module of this room imports no torch,
but for `build` and `catalogue`, which know the classes of the parts."""
