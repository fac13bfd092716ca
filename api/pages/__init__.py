"""Pages for people: the console and the documentation."""
