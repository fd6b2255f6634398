#!/bin/bash
# Every command on every kind of run and model.
cd "$(dirname "$0")/../.." || exit 2
MATRIX_KINDS=all exec bash tests/cli/matrix.sh
