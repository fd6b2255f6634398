#!/bin/bash
# As tests/fault/signals.sh, with 50 SIGTERMs.
cd "$(dirname "$0")/../.." || exit 2
SIGNALS=50 exec bash tests/fault/signals.sh
