"""What is compiled once: packages fetched from where they were compiled, and installed where they were not."""
