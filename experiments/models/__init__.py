"""The networks that the paper trained and that no library carries."""
