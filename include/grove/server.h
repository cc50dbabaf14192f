/*
 * grove/server.h - servers: a greenlet for each connection, or for each datagram
 *
 * A server listens at an address (grove/net.h), accepts connections in a greenlet of its own, and calls a handler for each in
 * another; the handler reads and writes as if it were alone:
 *
 *	static void serve(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
 *	{
 *		char buf[4096];
 *		ssize_t n;
 *
 *		while ((n = grove_recv(fd, buf, sizeof(buf), GROVE_SEC(60))) > 0)
 *			grove_sendall(fd, buf, (size_t)n, GROVE_SEC(60));
 *	}
 *	...
 *	struct grove_server_attr attr = { .size = sizeof(attr), .max = 1000 };
 *	grove_server *server = grove_server_new("127.0.0.1:7000", serve, NULL, &attr);
 *	grove_signal(SIGTERM, stop, server);	// stop: grove_server_stop(server, GROVE_SEC(30))
 *	grove_server_serve_forever(server);
 *
 * The handler's descriptor is an ordinary blocking one.  read(2), stdio, OpenSSL and the like work on it where libc's calls are
 * green (grove_patch); without that, grove/net.h has what is needed.  It is closed when the handler has returned, so one that
 * wants to keep it duplicates it.
 *
 * With a bound (.max) a server that is busy does not accept: connections wait in the kernel's backlog, and their number is
 * limited there. When descriptors or memory have run out it waits, 10 ms at first, twice as long each time, up to a second, and
 * goes on; connections that were gone before they were accepted are passed over.
 *
 * The address is bound by the call that makes the server.  So processes that are forked afterwards share the socket, and each may
 * start the server for itself (grove/prefork.h).  In a forked child a server is stopped, and its connections are the parent's:
 * the child's copies of their descriptors are closed by its first call with the server.  Who was forked in a handler keeps his.
 *
 * grove_kill() at the greenlet that accepts, as grove_shutdown() does it, ends the accepting; the socket listens until the server
 * is stopped.
 */
#ifndef GROVE_SERVER_H
#define GROVE_SERVER_H

#include <grove/greenlet.h>
#include <grove/net.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_server grove_server;

/* What a connection is handled by, in a greenlet of its own. */
typedef void grove_stream_fn(int fd, const struct sockaddr *peer, socklen_t peer_len, void *arg);

/* What a datagram is handled by; @data is there until it returns.  grove_server_sendto() answers. */
typedef void grove_datagram_fn(grove_server *server, const void *data, size_t len, const struct sockaddr *peer,
			       socklen_t peer_len, void *arg);

/*
 * Where handlers run: makes a greenlet that runs @fn(@arg), once, and returns its handle, or NULL with errno.  For pools that
 * several servers share, larger stacks, names ...  It may wait; meanwhile nothing is accepted.
 */
typedef grove_greenlet *grove_server_spawn_fn(grove_fn *fn, void *arg, void *spawn_arg);

/* For the functions that make servers; to be filled with zeros first.  size: sizeof(struct grove_server_attr). */
struct grove_server_attr {
	size_t size;
	size_t max;			/* handlers at once; 0: no bound */
	grove_server_spawn_fn *spawn;	/* NULL: grove_spawn() */
	void *spawn_arg;
	int backlog;			/* connections that may wait in the kernel; 0: as many as the system allows */
	unsigned flags;			/* GROVE_REUSE_PORT, GROVE_EXCLUSIVE, GROVE_HANDLER_CLOSES or 0 */
	int64_t min_delay, max_delay;	/* ns to wait when something has run out; 0: 10 ms, 1 s */
	int64_t grace;			/* ns that grove_server_serve_forever() gives to handlers when it is broken off; 0: 1 s */
};
#define GROVE_HANDLER_CLOSES	0x100u	/* the descriptor is the handler's, which closes it itself */

/*
 * grove_server_new, grove_datagram_server_new - a server at @address, which is bound but does not accept yet
 * @attr: or NULL for the usual
 *
 * Returns it, or NULL with errno
 *   EINVAL  @address is none, @handler is NULL, or @attr has a wrong size, negative values or unknown flags
 *   ENOMEM
 *   EADDRINUSE, EACCES ...  as grove_listen()
 * Parks: as grove_listen().   Threads: any.   Signals: not async-signal-safe.   Follows gevent.server.StreamServer,
 * DatagramServer.
 */
GROVE_API grove_server *grove_server_new(const char *address, grove_stream_fn *handler, void *arg,
					 const struct grove_server_attr *attr);
GROVE_API grove_server *grove_datagram_server_new(const char *address, grove_datagram_fn *handler, void *arg,
						  const struct grove_server_attr *attr);

/*
 * grove_server_new_fd, grove_datagram_server_new_fd - a server for a socket that listens, or is bound, already
 *
 * The descriptor stays the caller's: O_NONBLOCK is left as it is, and it is not closed when the server stops.
 * Returns NULL with errno as grove_server_new(), and EBADF, ENOTSOCK; EINVAL also when it does not listen, or is of the wrong
 * type.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.server.StreamServer(socket).
 */
GROVE_API grove_server *grove_server_new_fd(int fd, grove_stream_fn *handler, void *arg, const struct grove_server_attr *attr);
GROVE_API grove_server *grove_datagram_server_new_fd(int fd, grove_datagram_fn *handler, void *arg,
						     const struct grove_server_attr *attr);

/*
 * grove_server_free - forget a server that is stopped, and close its socket; NULL is allowed
 *
 * Returns 0, or -1 with errno EBUSY: it is accepting, handlers run, or somebody waits at it; EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_server_free(grove_server *server);

/*
 * grove_server_start - begin to accept, in a greenlet
 *
 * A server that was stopped listens anew, at the same address and port.
 * Returns 0, or -1 with errno EALREADY: it does so; EINVAL; or as grove_spawn(), grove_listen().
 * Parks: as grove_listen().   Threads: any.   Signals: not async-signal-safe.   Follows BaseServer.start.
 */
GROVE_API int grove_server_start(grove_server *server);

/*
 * grove_server_stop - stop accepting, close the socket, remove its file, and wait for the handlers
 * @grace: how long they may go on; then they are killed, and waited for for another second
 *
 * A handler may call it itself, and is not waited for then.  When the wait is broken off, those that are left are killed all the
 * same.
 * Returns 0, also when it was stopped already, or -1 with errno
 *   ETIMEDOUT  some handlers go on even so; or a deadline around the call is over
 *   ECANCELED  the caller was killed
 *   EINVAL     @server is no server, or @grace is negative
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows BaseServer.stop.
 */
GROVE_API int grove_server_stop(grove_server *server, int64_t grace);

/*
 * grove_server_serve_forever - start, if it is not yet, and wait until somebody has stopped it
 *
 * When the wait is broken off, or accepting fails for good, it stops the server itself, with the grace of the attributes.
 * Returns 0 after grove_server_stop(), or -1 with errno ECANCELED, ETIMEDOUT, EDEADLK; the error of accept(2); or as
 * grove_server_start().
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows BaseServer.serve_forever.
 */
GROVE_API int grove_server_serve_forever(grove_server *server);

/*
 * grove_server_stop_accepting, grove_server_start_accepting - pause and go on: new connections wait in the kernel meanwhile
 *
 * Returns 0, or -1 with errno EINVAL; start also EALREADY, and as grove_spawn().
 * Parks: stop does, for a moment.   Threads: any.   Signals: not async-signal-safe.   Follows BaseServer.stop_accepting,
 * start_accepting.
 */
GROVE_API int grove_server_stop_accepting(grove_server *server);
GROVE_API int grove_server_start_accepting(grove_server *server);

/* grove_server_started - does it accept?   Parks: no.   Threads: any.   Follows BaseServer.started. */
GROVE_API bool grove_server_started(const grove_server *server);

/* grove_server_full - has it as many handlers as it may have?   Parks: no.   Threads: any.   Follows BaseServer.full. */
GROVE_API bool grove_server_full(const grove_server *server);

/* grove_server_handlers - how many handlers there are now.   Parks: no.   Threads: any. */
GROVE_API size_t grove_server_handlers(const grove_server *server);

/* grove_server_address - where it listens, as text, with the port that it has got; "" when it does not; NULL with errno EINVAL.
 * Parks: no.   Threads: any.   Follows BaseServer.address. */
GROVE_API const char *grove_server_address(const grove_server *server);

/* grove_server_port - the port it has got; 0 for Unix sockets; -1 with errno EINVAL, ENOTCONN: it does not listen.
 * Parks: no.   Threads: any.   Follows BaseServer.server_port. */
GROVE_API int grove_server_port(const grove_server *server);

/* grove_server_fd - its socket; -1 with errno EINVAL, ENOTCONN: it does not listen.   Parks: no.   Threads: any.
 * Follows BaseServer.socket. */
GROVE_API int grove_server_fd(const grove_server *server);

/*
 * grove_server_sendto - send a datagram from a datagram server's socket
 *
 * Returns 0, or -1 with errno EAGAIN (@timeout is 0 and the socket's buffer is full), ETIMEDOUT, ECANCELED; ENOTCONN: it does not
 * listen; EINVAL; or as sendto(2).
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows DatagramServer.sendto.
 */
GROVE_API int grove_server_sendto(grove_server *server, const void *data, size_t len, const struct sockaddr *peer,
				  socklen_t peer_len, int64_t timeout);

#ifdef __cplusplus
}
#endif

#endif
