"""GPT-2: the language model, what it writes, and the n-grams beside it."""
