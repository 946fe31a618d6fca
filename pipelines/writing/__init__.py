"""What written utterances are worth."""
