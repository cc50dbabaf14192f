/*
 * loop.c - an event loop in 100 lines: future, task and fetcher on generators and libev
 *
 * How asyncio works, without grove's greenlets: a fetcher is a generator that yields a future when it has to wait; a libev watcher resolves the
 * future; the task then steps the fetcher on.  Since a generator has a stack of its own, wait_for() may yield from within a call: no "yield
 * from" has to lead to the top.  (After A. Jesse Jiryu Davis and Guido van Rossum, "A Web Crawler With asyncio Coroutines", 500 Lines or Less.)
 */
#include "site.h"
#include <ev.h>
#include <grove.h>

/* --- future: something that will be done ------------------------------------------------------------------------------------------ */

struct future {
	void (*callback)(void *arg);
	void *arg;
};

static void future_resolve(struct future *f)
{
	if (f->callback)
		f->callback(f->arg);
}

/* --- task: who steps a coroutine on whenever the future that it yielded is resolved ------------------------------------------------ */

struct task {
	grove_generator *coroutine;
};

static int unfinished;

static void task_step(void *arg)
{
	struct task *t = arg;
	struct future *next;
	void *yielded;

	if (grove_gen_next(t->coroutine, &yielded) == 1) {
		next = yielded;
		next->callback = task_step;
		next->arg = t;
		return;
	}
	grove_generator_free(t->coroutine);
	free(t);
	if (--unfinished == 0)
		ev_break(EV_DEFAULT_ EVBREAK_ALL);
}

static void task_new(grove_fn *coroutine, void *arg)
{
	struct task *t = malloc(sizeof(*t));

	t->coroutine = grove_generator_new(coroutine, arg);
	unfinished++;
	task_step(t);
}

/* --- the loop: libev tells when a descriptor is ready ------------------------------------------------------------------------------- */

static void on_ready(struct ev_loop *loop, struct ev_io *w, int events)
{
	(void)events;
	ev_io_stop(loop, w);
	future_resolve(w->data);
}

static void wait_for(int fd, int events)
{
	struct future f = { NULL, NULL };
	struct ev_io w;

	ev_io_init(&w, on_ready, fd, events);
	w.data = &f;
	ev_io_start(EV_DEFAULT_ &w);
	grove_gen_yield(&f);
}

/* --- fetcher: what it is all for ------------------------------------------------------------------------------------------------------ */

static void fetch(struct page *p);

static void *fetcher(void *arg)
{
	struct page *p = arg;
	int fd = page_connect();

	wait_for(fd, EV_WRITE);
	page_request(p, fd);
	do
		wait_for(fd, EV_READ);
	while (page_read(p, fd));
	close(fd);
	page_follow_links(p, fetch);
	return NULL;
}

static void fetch(struct page *p)
{
	task_new(fetcher, p);
}

int main(void)
{
	site_start();
	fetch(page_new("/"));
	ev_run(EV_DEFAULT_ 0);
	return site_report();
}
