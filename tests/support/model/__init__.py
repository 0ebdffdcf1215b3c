"""A fake chain behind endpoints that fail at random, and what must hold whatever they do."""
