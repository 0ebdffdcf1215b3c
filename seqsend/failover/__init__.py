"""The loop over the endpoints, and one request to one endpoint."""
