# What `make test` and its relatives run. The runner is tests/run.sh; every line it counts comes from a test that ran.
