# shellcheck shell=bash disable=SC2120
# lib.sh - for scripts that run several tests: each has a process group and a time limit of its own, and the last line says how
# many passed.  Source it, call `check' once per test, end with `summary'.
#
#	check NAME SECONDS command...	status 0: passed; 77: skipped, its last line says why; 124 or 137: hung.  Output is shown on failure
#	passed N; failed NAME why; skipped NAME why		when the caller knows by itself
#	limited SECONDS command...	only the time limit; returns the command's status, 124 when it had to be stopped
#	summary				prints the line, and returns false when anything failed or nothing ran
set -u
n_passed=0 n_failed=0 n_skipped=0 group=

passed() { n_passed=$((n_passed + ${1:-1})); }
failed() { n_failed=$((n_failed + 1)); echo "FAIL $1: ${2:-failed}"; }
skipped() { n_skipped=$((n_skipped + 1)); echo "skip $1: ${2:-}"; }

# timeout(1) makes the group; what the command leaves behind in it is ended too.  The command may be a function of the script, which
# then sees exported variables only.
limited()
{
	local seconds=$1 status; shift

	if [ "$(type -t "$1")" = function ]; then
		export -f "${1?}"
		set -- bash -c '"$@"' bash "$@"
	fi
	timeout --kill-after=10 "$seconds" "$@" &
	group=$!
	wait "$group"
	status=$?
	kill -KILL -- "-$group" 2>/dev/null
	group=
	return $status
}

# so that stopping the script stops the test
trap '[ -n "$group" ] && kill -TERM "$group"; exit 143' TERM INT

check()
{
	local name=$1 seconds=$2 log status; shift 2

	log=$(mktemp "${TMPDIR:-/tmp}/grove-check.XXXXXX") || exit 2
	limited "$seconds" "$@" >"$log" 2>&1 </dev/null
	status=$?
	case $status in
	0) passed; echo "ok   $name" ;;
	77) skipped "$name" "$(tail -n 1 "$log")" ;;
	124 | 137) failed "$name" "hung: stopped after $seconds s" ;;
	*) failed "$name" "status $status" ;;
	esac
	case $status in 0 | 77) ;; *) tail -n 40 "$log" | sed 's/^/    /' ;; esac
	rm -f "$log"
}

summary()
{
	echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
	[ "$n_failed" -eq 0 ] && [ $((n_passed + n_skipped)) -gt 0 ]
}
