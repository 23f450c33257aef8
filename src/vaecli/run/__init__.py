"""The run directory. Only this room knows its file names and formats.

Other rooms take `run.Run`, which reads; `writer.RunWriter`, which only training has; `create` for a
new run; `find` for the runs there are; and `names`. None of them but `writer` and `checkpoint`
imports torch: a plot of the losses need not wait for it.
"""
