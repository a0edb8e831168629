"""The tour: one page that shows how networks learn to remember, computed when asked."""
