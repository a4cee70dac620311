"""What is compiled once: packed where it was compiled, put in place where it is not."""
