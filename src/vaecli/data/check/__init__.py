"""Faults of a data set: copies, leaks between splits, broken and unusual images, small classes.

`report.check` reads every image once and keeps small measures of each (`measures`), from which one
function per kind of fault makes findings; `quick.quick_check` looks at images that are in memory.
"""
