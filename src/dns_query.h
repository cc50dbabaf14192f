/*
 * dns_query.h - one question to one name server: asked by a greenlet, carried by c-ares, answered in the hub
 *
 * Internal to dns*.c.  A query lives in memory of its own, because c-ares cannot be made to forget it when its greenlet is
 * cancelled: it then goes on without anyone waiting, and is freed by its answer or its time limit.
 */
#ifndef GR_DNS_QUERY_H
#define GR_DNS_QUERY_H

#include "base.h"
#include "hub.h"
#include <sys/socket.h>

enum gr_dns_outcome {
	GR_DNS_UNASKED,
	GR_DNS_LOST,		/* no memory, or the process forked meanwhile: may be asked again */
	GR_DNS_ANSWER,		/* a message came, whatever its code */
	GR_DNS_REFUSAL,		/* SERVFAIL, NOTIMP or REFUSED: another server may know better */
	GR_DNS_TIMEOUT,
	GR_DNS_UNREACHABLE,
	GR_DNS_BAD_NAME,	/* cannot be put into a question */
};

struct gr_dns_reply {
	uint8_t outcome;	/* enum gr_dns_outcome */
	uint8_t rcode;		/* the server's, for ANSWER and REFUSAL */
	int len;
	unsigned char *msg;	/* ANSWER: from gr_mem_alloc() */
};

/* One name server as libc's resolver would use it */
struct gr_dns_target {
	struct sockaddr_storage addr;
	socklen_t addrlen;
	unsigned flags;		/* GR_DNS_* */
	int timeout;		/* seconds */
};

#define GR_DNS_TCP	GR_BIT(0)	/* never by UDP */
#define GR_DNS_IGNTC	GR_BIT(1)	/* take truncated answers as they are */
#define GR_DNS_EDNS	GR_BIT(2)

#define GR_DNS_PARTS	2		/* A and AAAA go out together */

struct gr_dns_server;

struct gr_dns_query {
	struct gr_hub_job job;
	struct gr_list link;			/* in the list of all */
	struct gr_dns_server *server;
	struct gr_greenlet *waiter;		/* parked for it; NULL while its handlers run, and when it has given up */
	bool owned;				/* somebody will come back for the replies */
	unsigned parts, pending;
	int type[GR_DNS_PARTS];
	struct gr_dns_reply reply[GR_DNS_PARTS];
	char name[];
};

/*
 * gr_dns_ask - ask @target for the @n record types in @type, all at once
 * Parks: yes; runs signal handlers meanwhile, and is a cancellation point.
 * Returns 0, or -ENOMEM, or -ECANCELED; fills ret_reply[0..n-1], whose messages the caller frees.
 */
int gr_dns_ask(const struct gr_dns_target *target, const char *name, const int *type, unsigned n, struct gr_dns_reply *ret_reply);

/* dns_wait.c: note the query; hand it to the hub and park until all its parts are done. 0, or -ECANCELED when the greenlet must
 * leave, and the query is then no longer the caller's. */
void gr_dns_query_add(struct gr_dns_query *q);
int gr_dns_query_wait(struct gr_dns_query *q);
void gr_dns_query_free(struct gr_dns_query *q);

/* One part less pending; wakes or frees after the last. */
void gr_dns_query_done(struct gr_dns_query *q);

/* dns_fork.c: everything asked and not yet freed, the name servers we talk to; both forgotten in a forked child */
extern struct gr_list gr_dns_queries, gr_dns_servers;

#endif
