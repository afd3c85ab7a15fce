"""What tasks on images share."""
