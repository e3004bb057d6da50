"""Text on the worker's side: chat template, tokenizer, detokenizer, stop strings. No torch."""
