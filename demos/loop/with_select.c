/*
 * with_select.c - the same fetch as a loop around select(2)
 *
 * Each connection is a state in a table, and one loop does the next step of whichever is ready.  What a fetch does is nowhere to be read from
 * top to bottom.
 */
#include "site.h"
#include <sys/select.h>

static struct fetch {
	enum { UNUSED, CONNECTING, READING } state;
	struct page *page;
	int fd;
} fetches[PAGES_MAX];

static int unfinished;

static void fetch(struct page *p)
{
	struct fetch *f = fetches;

	while (f->state != UNUSED)
		f++;
	*f = (struct fetch){ CONNECTING, p, page_connect() };
	unfinished++;
}

static void step(struct fetch *f)
{
	if (f->state == CONNECTING) {
		page_request(f->page, f->fd);
		f->state = READING;
		return;
	}
	if (page_read(f->page, f->fd))
		return;
	close(f->fd);
	f->state = UNUSED;
	unfinished--;
	page_follow_links(f->page, fetch);
}

int main(void)
{
	site_start();
	fetch(page_new("/"));
	while (unfinished) {
		fd_set sets[2];
		int max = 0;

		FD_ZERO(&sets[0]);
		FD_ZERO(&sets[1]);
		for (struct fetch *f = fetches; f < fetches + PAGES_MAX; f++)
			if (f->state != UNUSED) {
				FD_SET(f->fd, &sets[f->state == CONNECTING]);
				max = f->fd > max ? f->fd : max;
			}
		if (select(max + 1, &sets[0], &sets[1], NULL, NULL) < 0)
			return 1;
		for (struct fetch *f = fetches; f < fetches + PAGES_MAX; f++)
			if (f->state != UNUSED && FD_ISSET(f->fd, &sets[f->state == CONNECTING])) {
				FD_CLR(f->fd, &sets[f->state == CONNECTING]);
				step(f);
			}
	}
	return site_report();
}
