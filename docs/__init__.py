"""Programs that generate documents and pictures."""
