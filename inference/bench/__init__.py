"""Measurements of the engine beside its peers: `manage.py bench` and docs/benchmarks.md.

Imported by that command only. Knows the engine room, torch and transformers; not the queue, users
or text.
"""
