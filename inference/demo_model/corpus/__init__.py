"""The corpus that the bundled model learns from: made by rules, the same for the same seed.

Knows language and topics; knows no tokens and no model.
"""
