"""Errors, files, seeds, devices and the machine: nothing here knows what a VAE is.

Every other room may take everything."""
