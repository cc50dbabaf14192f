/*
 * dns_search.h - from a name to messages that hold an answer: name servers, tries and search domains as resolv.conf has them
 *
 * Internal to dns*.c.  The configuration is libc's own, in the calling thread's _res: it has read resolv.conf and the environment.
 */
#ifndef GR_DNS_SEARCH_H
#define GR_DNS_SEARCH_H

#include "dns_query.h"

struct gr_dns_search {
	struct gr_dns_reply reply[GR_DNS_PARTS];	/* of the last question; those without an answer have len 0 */
	int type[GR_DNS_PARTS];
	unsigned parts;
	int herr;		/* h_errno for it, when it failed */
	int err;		/* errno: ETIMEDOUT or ECONNREFUSED when no server answered; sticks, as libc's does */
	unsigned rcode;		/* what the last server said to the last question */
	bool canceled;
};

/* Is _res such that we know all it asks for? */
bool gr_dns_search_knows(const char *name);

/*
 * gr_dns_search_name - look for @name, and in the search domains; gr_dns_search_one - for just this name
 * s->type and s->parts are set by the caller.  Parks: yes.  True: some reply has an answer section.  False: see herr and err.
 * The caller ends with gr_dns_search_end() in either case.
 */
bool gr_dns_search_name(struct gr_dns_search *s, const char *name);
bool gr_dns_search_one(struct gr_dns_search *s, const char *name);
void gr_dns_search_end(struct gr_dns_search *s);

#endif
