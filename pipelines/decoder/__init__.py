"""GPT-2: the language model, and what it writes."""
