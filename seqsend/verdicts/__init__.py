"""What came back: next endpoint or return, and was it delivered? Pure."""
