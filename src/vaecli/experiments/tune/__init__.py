"""Hyperparameter search: the options searched, the study's folder, its workers and its result."""
