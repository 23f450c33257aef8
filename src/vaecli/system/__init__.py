"""Errors, files, random streams, the machine and its devices: nothing here depends on VAEs.

Every other package may use every module. A module imports only from those listed before it:
`errors`, `files`, `seeds`, `machine`, `devices`, `version`.
"""
