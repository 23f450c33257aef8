"""Errors, files, random streams, the machine and its devices: nothing here knows what a VAE is.

Every other room may take everything. A file takes only from those named before it: `errors`,
`files`, `seeds`, `machine`, `devices`, `version`.
"""
