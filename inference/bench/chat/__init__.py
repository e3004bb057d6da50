"""What a whole site delivers to its people, beside its engine alone."""
