"""A fake chain behind endpoints that fail at random, and rules that must hold whatever they do."""
