/*
 * grove/net.h - sockets by address: listen, dial, accept, receive, send
 *
 * These wait as greenlets do, whether the program is patched (grove_patch) or not, and on ordinary blocking descriptors; with it
 * patched, they mix freely with libc's own calls.
 *
 * An address is a string:
 *
 *	127.0.0.1:8080		IPv4
 *	[::1]:8080		IPv6; [fe80::1%eth0]:8080 with a zone
 *	localhost:http		names of hosts and services, by getaddrinfo(3)
 *	:8080			to listen: all addresses of this host, IPv6 and IPv4 in one socket; to dial: this host
 *	unix:/run/x.sock	a socket in the file system
 *	unix:@x			a Unix socket with an abstract name
 *
 * Port 0 is any free one.  [::]:8080 means IPv6 only and 0.0.0.0:8080 means IPv4 only, whatever the system's bindv6only says, so
 * that one program can listen at both.  Numeric addresses never wait.  A name is looked up by getaddrinfo(3), which is green only
 * when libc's calls are, and otherwise blocks all greenlets.  A name that is not known is ENOENT, one that could not be looked up
 * EHOSTUNREACH.
 */
#ifndef GROVE_NET_H
#define GROVE_NET_H

#include <grove/base.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GROVE_REUSE_PORT	1u	/* SO_REUSEPORT: sockets of several processes at one port; the kernel chooses */
#define GROVE_EXCLUSIVE		2u	/* no SO_REUSEADDR: EADDRINUSE while old connections linger */
#define GROVE_NONBLOCK		4u	/* O_NONBLOCK, for a listening socket that several processes share */

/* Room for any address as text */
#define GROVE_ADDRESS_MAX	128

/*
 * grove_listen - a socket that listens for connections at @address
 * @backlog: how many may wait to be accepted; 0: as many as the system allows
 * @flags: GROVE_REUSE_PORT, GROVE_EXCLUSIVE, GROVE_NONBLOCK or 0
 *
 * A socket file at which nobody listens any more is replaced.
 * Returns a descriptor, closed on exec, or -1 with errno
 *   EINVAL        @address is none, @backlog is negative, or @flags are unknown
 *   ENAMETOOLONG  the path of a Unix socket is too long
 *   EADDRINUSE, EADDRNOTAVAIL, EACCES, EMFILE ...   as socket(2), bind(2) and listen(2)
 * Parks: for names, if libc's calls are green.   Threads: any.   Signals: not async-signal-safe.   Follows Go's net.Listen.
 */
GROVE_API int grove_listen(const char *address, int backlog, unsigned flags);

/*
 * grove_bind - a datagram socket at @address
 *
 * Returns a descriptor, closed on exec, or -1 with errno as grove_listen().  SO_REUSEADDR is not set.
 * Parks: as grove_listen().   Threads: any.   Signals: not async-signal-safe.   Follows Go's net.ListenPacket.
 */
GROVE_API int grove_bind(const char *address, unsigned flags);

/*
 * grove_dial - a connection to @address; where a name has several addresses, they are tried in turn
 * @timeout: for all of it; 0: only what is there at once, such as a Unix socket
 *
 * Returns a descriptor, closed on exec, or -1 with errno
 *   EINVAL     @address is none, or @timeout is negative
 *   ETIMEDOUT  @timeout is over, or the peer does not answer
 *   EAGAIN     @timeout is 0 and it would have to wait
 *   ECONNREFUSED, EHOSTUNREACH, ENOENT, EMFILE ...   as socket(2) and connect(2), of the last address tried
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.socket.create_connection, Go's net.DialTimeout.
 */
GROVE_API int grove_dial(const char *address, int64_t timeout);

/*
 * grove_accept - the next connection at the listening socket @fd
 * @ret_peer, @len: as accept(2) has them, or NULL
 *
 * Returns a blocking descriptor, closed on exec, or -1 with errno
 *   EAGAIN     @timeout is 0 and nobody has connected
 *   ETIMEDOUT  @timeout is over
 *   EBADF, EINVAL, ENOTSOCK, ECONNABORTED, EMFILE ...   as accept(2)
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.socket.socket.accept.
 */
GROVE_API int grove_accept(int fd, struct sockaddr *ret_peer, socklen_t *len, int64_t timeout);

/*
 * grove_recv - up to @len bytes from a socket, at least one
 *
 * Returns how many, 0 at the end of the stream, or -1 with errno
 *   EAGAIN     @timeout is 0 and nothing is there
 *   ETIMEDOUT  @timeout is over
 *   EBADF, ENOTSOCK, ECONNRESET ...   as recv(2)
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.socket.socket.recv.
 */
GROVE_API ssize_t grove_recv(int fd, void *ret_data, size_t len, int64_t timeout);

/*
 * grove_sendall - all @len bytes to a socket; SIGPIPE is not raised
 *
 * Returns 0, or -1 with errno: then some may have been sent, and a stream is of no use any more
 *   EAGAIN     @timeout is 0 and it would have to wait
 *   ETIMEDOUT  @timeout is over
 *   EPIPE, EBADF, ENOTSOCK, ECONNRESET ...   as send(2)
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.socket.socket.sendall.
 */
GROVE_API int grove_sendall(int fd, const void *data, size_t len, int64_t timeout);

/*
 * grove_address_print - an address as text, as grove_dial() takes it
 * @ret_text: room for @size bytes; GROVE_ADDRESS_MAX is always enough
 *
 * A Unix socket without a name is "unix:".  Returns 0, or -1 with errno EINVAL, EAFNOSUPPORT, or ENOSPC: it is longer than @size.
 * grove_local_address() is the same for the address that the socket @fd has itself; errors also as getsockname(2).
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Go's net.Addr.String.
 */
GROVE_API int grove_address_print(const struct sockaddr *address, socklen_t len, char *ret_text, size_t size);
GROVE_API int grove_local_address(int fd, char *ret_text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
