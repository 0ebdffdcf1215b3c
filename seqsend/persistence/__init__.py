"""What is kept between runs, in files that only `--state-file` and `--metrics-file` ask for."""
