/*
 * with_callbacks.c - the same fetch as callbacks, three stages deep
 *
 * fetch() registers connected(), which registers readable(), which starts the next fetches.  What one stage knows and the next needs has to be
 * carried in a struct, and a backtrace taken in readable() says that the loop called it, not for whom.
 */
#include "site.h"
#include <ev.h>

struct fetch {
	struct ev_io io;
	struct page *page;
};

static int unfinished;

static void fetch(struct page *p);

/* the third stage */
static void readable(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct fetch *f = (struct fetch *)w;

	(void)events;
	if (page_read(f->page, w->fd))
		return;
	ev_io_stop(loop, w);
	close(w->fd);
	page_follow_links(f->page, fetch);
	free(f);
	if (--unfinished == 0)
		ev_break(loop, EVBREAK_ALL);
}

/* the second */
static void connected(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct fetch *f = (struct fetch *)w;

	(void)events;
	page_request(f->page, w->fd);
	ev_io_stop(loop, w);
	ev_io_init(w, readable, w->fd, EV_READ);
	ev_io_start(loop, w);
}

/* the first */
static void fetch(struct page *p)
{
	struct fetch *f = malloc(sizeof(*f));

	f->page = p;
	ev_io_init(&f->io, connected, page_connect(), EV_WRITE);
	ev_io_start(EV_DEFAULT_ &f->io);
	unfinished++;
}

int main(void)
{
	site_start();
	fetch(page_new("/"));
	ev_run(EV_DEFAULT_ 0);
	return site_report();
}
