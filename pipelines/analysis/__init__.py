"""Looking into models: attention heads, BERT beside GPT-2."""
