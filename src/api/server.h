/*
 * server.h - what a server is made of: the socket, the greenlet that accepts, a visit for each connection or datagram
 */
#ifndef GR_API_SERVER_H
#define GR_API_SERVER_H

#include "greenlet.h"
#include <grove/server.h>
#include <grove/timeout.h>
#include <sys/stat.h>

#define GR_DATAGRAM_MAX	65536u

struct grove_server {
	struct gr_object object;	/* GR_SERVER; ready: it does not accept, and no handler runs */
	struct grove_server_attr attr;
	grove_stream_fn *stream;	/* one of them is NULL */
	grove_datagram_fn *datagram;
	void *arg;
	char *wanted;			/* where to listen, with the port once it is known; NULL: the socket was given */
	char address[GROVE_ADDRESS_MAX];
	int fd;				/* -1: does not listen */
	dev_t file_dev;			/* of the socket file; file_ino 0: there is none */
	ino_t file_ino;
	void *buf;			/* for a datagram of any size */
	struct grove_greenlet *acceptor;	/* with a reference, also after its end, until somebody looks */
	struct gr_link acceptor_link;
	bool accepting;
	bool ending;			/* the acceptor is being ended by us */
	struct gr_list visits;		/* whose greenlet has not ended */
	struct gr_list spare;
	size_t n;			/* visits */
	size_t stopping;		/* those of them that are in grove_server_stop() themselves */
	struct gr_list entrant;		/* gr_turn: the acceptor, for a place */
	struct gr_list stoppers;	/* gr_turn: until the handlers have ended */
	struct gr_list forever;		/* gr_turn: grove_server_serve_forever() */
	int pid;			/* the process it was used in last */
};

struct gr_visit {
	struct gr_link link;		/* on its greenlet */
	struct gr_list in;		/* in server->visits, server->spare or orphans */
	struct grove_server *server;
	struct grove_greenlet *g;	/* NULL: not known yet, or has ended */
	bool begun;
	int fd;				/* -1: a datagram, or it is closed */
	void *data;
	size_t len;
	socklen_t peer_len;
	struct sockaddr_storage peer;
};

/* --- server_visits.c: inside, where it is said ------------------------------------------------------------------------------ */

void gr_server_update_ready(struct grove_server *s);
struct gr_visit *gr_visit_new(struct grove_server *s);		/* in no list; NULL: no memory */
int gr_visit_admit(struct gr_visit *v);				/* spawns its handler; 0 or -errno, then it is gone */
void gr_visit_clean(struct gr_visit *v, bool close_it);		/* leaves errno alone */
void gr_visit_leave(struct gr_visit *v);			/* inside: its place is free */
void gr_visit_sweep(void);					/* those whose greenlet never began */

/* --- server_accept.c -------------------------------------------------------------------------------------------------------- */

int gr_server_start_accepting(struct grove_server *s);
void gr_server_stop_accepting(struct grove_server *s);
void gr_server_forget_acceptor(struct grove_server *s);

/* --- server_socket.c -------------------------------------------------------------------------------------------------------- */

int gr_server_open(struct grove_server *s);		/* where it wants to listen, unless it does; 0, or -1 with errno */
void gr_server_close(struct grove_server *s);			/* and removes its file; a socket that was given stays */
int gr_server_check(int fd, bool datagram);			/* can a server have it?  0, or -1 with errno */
int gr_server_port_of(int fd);					/* 0: it has none; -1 with errno */

#endif
