/*
 * server.h - slow HTTP servers on loopback, in a child process, for programs that have something to download
 *
 * GET /K on any of the ports is answered with file K: @size bytes, told apart from other files by server_byte(), in pieces of
 * SERVER_PIECE bytes with a pause after each.  Connections are kept alive.  A kernel thread serves each connection; the child is
 * forked before grove starts, and knows nothing of it.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

#define SERVER_PORTS	16
#define SERVER_PIECE	1024

/* What the servers have seen, all ports together; in memory that both processes share. */
struct server_counts {
	atomic_int connections, requests;
	atomic_int in_flight, most_in_flight;	/* requests that have come and are not answered to the end */
};

struct server {
	pid_t pid;
	int ports, port[SERVER_PORTS];
	struct server_counts *counts;
};

/*
 * server_start - @ports servers with files of @size bytes and @pause_us microseconds after each piece
 * @hold: answer nobody before so many requests have come
 *
 * Exits with a message when it cannot.
 */
void server_start(struct server *s, int ports, size_t size, int pause_us, int hold);

void server_stop(struct server *s);

/* Byte @at of file @k */
static inline unsigned char server_byte(int k, size_t at)
{
	return (unsigned char)(at * 7 + (at >> 8) + (size_t)k * 31);
}

#endif
