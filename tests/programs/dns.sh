# dns.sh - a network namespace for a test, with an /etc and name servers of its own; to be read after lib.sh
#
# libc asks the servers in /etc/resolv.conf at port 53 and nobody else, so those files are mounted over in a private namespace, where
# even an ordinary user may bind port 53.

if [ -z "${IN_NAMESPACE:-}" ]; then
	need unshare ip
	unshare -rmn true 2>/dev/null || skip "no permission to make namespaces"
	export IN_NAMESPACE=1
	exec unshare -rmn "$0"
fi
ip link set lo up
ip address add 127.0.0.53/8 dev lo 2>/dev/null
ip -6 address add 2001:db8:ffff::1/64 dev lo nodad
mkdir -p etc

# etc NAME: standard input becomes /etc/NAME, which must exist outside of the test
etc()
{
	cat >"etc/$1"
	mountpoint -q "/etc/$1" && grep -q "$PWD/etc/$1" /proc/self/mountinfo && return
	mount --bind "etc/$1" "/etc/$1" || skip "/etc/$1 cannot be replaced"
}

etc hosts <<END
127.0.0.1	localhost
::1		localhost ip6-localhost
127.0.1.1	here.test here
192.0.2.77	twice.hosts
192.0.2.78	twice.hosts other.hosts
2001:db8::77	twice.hosts
192.0.2.99	shadowed.test
END
etc nsswitch.conf <<END
passwd:	files
hosts:	files dns
services: files
END
etc resolv.conf <<END
nameserver 127.0.0.1
search test sub.test
END

# server PROGRAM ...: in the background; ready when port 53 is bound
server()
{
	local i

	start "$@"
	for ((i = 0; i < 400; i++)); do
		grep -qs ':0035 ' /proc/net/udp && return
		kill -0 "$started" 2>/dev/null || break
		sleep 0.05
	done
	cat "${out%.out}.err" >&2
	die "$1 does not answer"
}

look_up()
{
	"${under[@]}" "$bin/tests/programs/dns"
}
