#!/bin/bash
# dns.sh - how the test runs the demo dns: in a network namespace with an /etc/resolv.conf and a name server of its own, which
# answers nobody before twenty have asked
. "${srcdir:?}/tests/programs/lib.sh"
need /usr/bin/python3
. "$srcdir/tests/programs/dns.sh"

etc resolv.conf <<-END_OF_FILE
	nameserver 127.0.0.1
	options timeout:20 attempts:1
END_OF_FILE
server /usr/bin/python3 "$srcdir/tests/programs/dns_server.py" hold 20
answers=$out
"$builddir/demos/clients/dns" || exit
for ((i = 0; i < 100; i++)); do
	[ -s "$answers" ] && break
	sleep 0.05
done
echo "the server: $(cat "$answers")"
