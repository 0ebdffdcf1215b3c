"""`check`: what each endpoint is, what is wrong with it, and whether the endpoints agree."""
