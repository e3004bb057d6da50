"""The live page of the queue for staff: what it shows, how that gets there, and what its buttons
do.

Reads rows and sends figures; no prompt and no answer passes through here.
"""
