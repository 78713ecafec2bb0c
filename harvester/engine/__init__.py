"""What is requested, when, and what happens to each outcome; no HTTP, no files."""
