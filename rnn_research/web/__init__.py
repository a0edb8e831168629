"""HTML pages that need nothing else: their frame, their style, tables and addresses."""
