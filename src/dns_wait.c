/*
 * dns_wait.c - the greenlet's side of a DNS query: park, let signal handlers run, go away early
 *
 * Unlike a green call this is entered from ordinary code, so it sets carrier->inside itself.
 */
#include "dns_query.h"
#include "mem.h"
#include "sched.h"
#include "signal.h"
#include <errno.h>
#include <pthread.h>

void gr_dns_query_free(struct gr_dns_query *q)
{
	gr_list_del(&q->link);
	for (unsigned i = 0; i < q->parts; i++)
		gr_mem_free(q->reply[i].msg);
	gr_mem_free(q);
}

void gr_dns_query_done(struct gr_dns_query *q)
{
	if (--q->pending)
		return;
	if (q->waiter)
		gr_wake(q->waiter, 0);
	else if (!q->owned)
		gr_dns_query_free(q);
}

static void abandon(void *arg)
{
	struct gr_dns_query *q = arg;

	q->owned = false;
	q->waiter = NULL;
	if (!q->pending)
		gr_dns_query_free(q);
}

/* Leaves the runtime for the program's handlers, which may do anything: fork, look up other names, or never come back. */
static void run_handlers(struct gr_dns_query *q)
{
	q->waiter = NULL;
	gr_signal_handle();
}

void gr_dns_query_add(struct gr_dns_query *q)
{
	gr_list_init(&q->job.link);
	gr_list_push(&gr_dns_queries, &q->link);
}

static int wait_inside(struct gr_carrier *c, struct gr_dns_query *q)
{
	int r = 0;

	c->inside = GR_INSIDE;
	gr_hub_call(&q->job);
	while (q->pending && r != -GR_EBROKEN) {
		q->waiter = c->current;
		r = gr_park("dns", GR_NEVER, GR_PARK_INTR);
		if (r == -EINTR)
			run_handlers(q);
	}
	q->waiter = NULL;
	c->inside = GR_OUTSIDE;
	while (c->todo & GR_TODO_SIGNAL) {
		c->inside = GR_INSIDE;
		run_handlers(q);
		c->inside = GR_OUTSIDE;
	}
	return r == -GR_EBROKEN ? gr_break_error() : 0;
}

/* As in libc's own cancellation points: pthread_cancel() sends its signal only to threads of the asynchronous type, and the handler
 * of that signal then unwinds from within gr_signal_deliver(). */
int gr_dns_query_wait(struct gr_dns_query *q)
{
	int r, type;

	pthread_cleanup_push(abandon, q);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	r = wait_inside(gr_carrier(), q);
	pthread_setcanceltype(type, NULL);
	pthread_cleanup_pop(r < 0);
	return r;
}
