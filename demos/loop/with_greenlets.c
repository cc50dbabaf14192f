/*
 * with_greenlets.c - the same fetch as greenlets
 *
 * connect, write, read until there is no more, follow the links: in this order, in one function, with blocking calls.  No loop and no
 * callback is to be seen; grove has both underneath.
 */
#include "site.h"
#include <grove.h>

static grove_group *fetches;

static void fetch(struct page *p);

static void *fetcher(void *arg)
{
	struct page *p = arg;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&site_address, sizeof(site_address)) < 0)
		return grove_fail(errno);
	page_request(p, fd);
	while (page_read(p, fd))
		;
	close(fd);
	page_follow_links(p, fetch);
	return NULL;
}

static void fetch(struct page *p)
{
	grove_group_spawn_raw(fetches, fetcher, p);
}

int main(void)
{
	site_start();
	if (grove_patch() < 0)
		return 1;
	fetches = grove_group_new();
	fetch(page_new("/"));
	grove_group_join(fetches, GROVE_FOREVER, 0);
	grove_group_free(fetches);
	return site_report();
}
