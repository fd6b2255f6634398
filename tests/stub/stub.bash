# Servers of tests/stub/chat_stub.c for shell tests. Sourced; wants $dir, a folder of the test's own, and stub_end in its trap.
stub_program=${CHAT_STUB:-$(dirname "${PTRAIN:-build/ptrain}")/chat_stub} # built beside the program
[ -x "$stub_program" ] || stub_program=build/gcc/chat_stub
stub_pids=
# stub_start NAME OPTION...: its port in $port, its ledger in $dir/NAME.log, what it was asked in $dir/NAME.bodies.
stub_start() {
    local name=$1 i
    shift
    rm -f "$dir/$name.port"
    "$stub_program" --port-file "$dir/$name.port" --log "$dir/$name.log" --bodies "$dir/$name.bodies" "$@" >/dev/null 2>>"$dir/err" &
    stub_pids="$stub_pids $!"
    for i in $(seq 100); do [ -s "$dir/$name.port" ] && break; sleep 0.05; done
    port=$(cat "$dir/$name.port")
}
stub_end() { [ -z "$stub_pids" ] || kill $stub_pids 2>/dev/null; stub_pids=; }
