"""Looking into models: attention heads, BERT beside GPT-2, questions and answers, and texts that are changed."""
