"""Trialsite on one machine: PostgreSQL, Valkey, mail sink, web and worker as children of one command.

Nothing here imports Django or its settings: it makes the environment that settings are read from.
"""
