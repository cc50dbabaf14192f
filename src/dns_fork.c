/*
 * dns_fork.c - the lists of queries and name servers, and what becomes of them in a forked child
 *
 * Apart from dns_wait.c and dns.c because a fork happens in the middle of a system call, with the vector registers the program's.
 */
#include "dns.h"
#include "dns_query.h"

struct gr_list gr_dns_queries = { &gr_dns_queries, &gr_dns_queries };
struct gr_list gr_dns_servers = { &gr_dns_servers, &gr_dns_servers };

/* The servers' memory is left alone: it may be c-ares that was interrupted, and most children only exec. */
void gr_dns_fork_child(void)
{
	gr_list_each_safe(it, &gr_dns_queries) {
		struct gr_dns_query *q = gr_container(it, struct gr_dns_query, link);

		gr_list_del(&q->link);
		q->pending = 0;			/* its greenlet, if that forked in a signal handler, finds it lost */
		q->waiter = NULL;
	}
	gr_list_init(&gr_dns_queries);
	gr_list_init(&gr_dns_servers);
}
