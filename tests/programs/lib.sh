# lib.sh - what the tests here share.  `run` executes every NAME.test twice in an empty folder, bare and under grove; what a test
# prints is its answer, and both answers must be the same.  Messages go to standard error; exit status 77 skips, any other but 0 fails.
#
#	"${under[@]}" program ...	the program to be tested: as it is, or under grove
#	start program ...		in the background; its pid is $started, its output in $started.out; ended when the test ends
set -u -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${builddir:?run these by ./run}	# top of the build tree
under=()
[ "${MODE:-bare}" = grove ] && under=("${GROVE:?the launcher}")

pids=()
finish()
{
	local status=$? pid

	trap - EXIT TERM INT
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
	done
	for pid in "${pids[@]}"; do
		gone "$pid" || { kill -9 "$pid" 2>/dev/null; echo "$0: $pid ignored SIGTERM" >&2; }
		wait "$pid" 2>/dev/null
	done
	exit $status
}
trap finish EXIT
trap 'exit 143' TERM INT

die()
{
	echo "$*" >&2
	exit 1
}

skip()
{
	echo "$*"
	exit 77
}

need()
{
	local program

	for program; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
}

# gone PID [SECONDS]: true when the process ended within 5 seconds, or so many; a zombie has ended
gone()
{
	local i

	for ((i = 0; i <= 20 * ${2:-5}; i++)); do
		grep -qs '^State:.[^Z]' "/proc/$1/status" || return 0
		sleep 0.05
	done
	return 1
}

free_port()
{
	/usr/bin/python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start()
{
	local n=${#pids[@]}

	"$@" >"$n.out" 2>"$n.err" </dev/null &
	started=$!
	out=$n.out
	pids+=("$started")
}

# Waits until somebody listens on the port; asks /proc, because a server may take a trial connection for a client.
listening()
{
	local hex i

	hex=$(printf ':%04X 0*:0000 0A' "$1")
	for ((i = 0; i < 400; i++)); do
		grep -qs "$hex" /proc/net/tcp /proc/net/tcp6 && return
		kill -0 "$started" 2>/dev/null || break
		sleep 0.05
	done
	cat "${out%.out}.err" >&2
	die "nobody listens on port $1"
}

# Starts the server of demos/serve, bare: every GET is answered with FILE.  Sets port.
serve()
{
	local i

	start "$bin/demos/serve/http" 0 "$1"
	for ((i = 0; i < 200; i++)); do
		port=$(sed -n 's/^port //p' "$out")
		[ -n "$port" ] && return
		sleep 0.05
	done
	die "demos/serve/http did not start"
}

# A file of SIZE bytes that look random and are the same every time.
make_file()
{
	/usr/bin/python3 -c 'import random, sys; random.seed(1); open(sys.argv[1], "wb").write(random.randbytes(int(sys.argv[2])))' "$@"
}
