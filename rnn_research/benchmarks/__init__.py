"""Our recurrences beside those of other libraries, each in a process of its own."""
