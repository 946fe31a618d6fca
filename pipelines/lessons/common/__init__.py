"""What the lessons share: materials, pages, pictures."""
