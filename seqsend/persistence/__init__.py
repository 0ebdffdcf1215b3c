"""The files kept between runs, only with `--state-file` and `--metrics-file`."""
