"""`manage.py bench fanout`: what the wires carry, measured on a whole site of real processes."""
