/*
 * crawl.c - a crawler: a bounded pool of greenlets, a deadline around each try, retries, kept-alive connections
 *
 * Each page is fetched by a greenlet of its own, but never more than four at a time: who finds a link spawns its page into the
 * pool.  A try is straight-line code in a scope of one second, and whatever call waits when that is over fails with ETIMEDOUT; so
 * no call needs a timeout of its own.  Pages that fail are tried again, later each time.  The visited set needs no lock: nothing
 * else runs between looking and adding.  What each page came to is printed in the order of names at the end.
 */
#include "http.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE		4
#define TRIES		3
#define TIMEOUT		GROVE_SEC(1)
#define PAGES_MAX	64

/* --- the site --------------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *path, *body;
	int times_broken;		/* so many times: 503 */
	bool silent;			/* never answers */
} pages[] = {
	{ "/", "welcome: [/a] [/b] [/c] [/d] [/]", 0, false },
	{ "/a", "up: [/]; down: [/a/1] [/a/2] [/a/3]", 0, false },
	{ "/a/1", "a leaf", 0, false },
	{ "/a/2", "a leaf: [/a/1] [/a/3]", 0, false },
	{ "/a/3", "a leaf; elsewhere: [http://example.org/]", 0, false },
	{ "/b", "here and there: [/gone] [/a/2] [/flaky]", 0, false },
	{ "/c", "ask [/silent] or [/broken]", 0, false },
	{ "/d", "round and round: [/d] [/d/deep] [/c]", 0, false },
	{ "/d/deep", "deeper: [/d/deep/er]", 0, false },
	{ "/d/deep/er", "the bottom: [/d] [/]", 0, false },
	{ "/flaky", "well again: [/a/1]", 2, false },
	{ "/broken", "never seen", 100, false },
	{ "/silent", "never seen", 0, true },
};
#define PAGES (sizeof(pages) / sizeof(pages[0]))
static int asked[PAGES];

static void page(const struct http_request *r, struct http_answer *a, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < PAGES; i++)
		if (!strcmp(r->path, pages[i].path)) {
			*a = (struct http_answer){ .status = 200, .body = pages[i].body, .delay_ms = 5 };
			a->silent = pages[i].silent;
			if (asked[i]++ < pages[i].times_broken)
				*a = (struct http_answer){ .status = 503, .body = "come again\n" };
		}
}

/* --- the crawler ------------------------------------------------------------------------------------------------------------ */

struct visit {
	char path[64];
	char tried[64];			/* what each try came to */
	int links;
	bool done;
};

static struct visit visits[PAGES_MAX];
static int n_visits, running, most_running;
static grove_pool *pool;
static grove_group *finders;
static const char *address;
static struct http_stream *idle[AT_ONCE];	/* connections that may be used again */
static int n_idle, dialled;

static struct http_stream *connection(void)
{
	struct http_stream *s;

	if (n_idle)
		return idle[--n_idle];
	s = calloc(1, sizeof(*s));
	s->fd = grove_dial(address, GROVE_FOREVER);
	dialled++;
	return s;
}

static void done_with(struct http_stream *s, bool keep)
{
	if (keep && n_idle < AT_ONCE) {
		idle[n_idle++] = s;
		return;
	}
	close(s->fd);
	free(s);
}

/* One try: the status, or -1 with errno */
static int fetch(const char *path, char *ret_body)
{
	struct http_stream *s = connection();
	char request[256];
	bool keep = false;
	int n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, address), status = -1, err;

	if (grove_sendall(s->fd, request, (size_t)n, GROVE_FOREVER) == 0)
		status = http_read_answer(s, false, ret_body, &keep);
	err = errno;
	done_with(s, keep);
	errno = err;
	return status;
}

static int fetch_in_time(const char *path, char *ret_body)
{
	struct grove_timeout t;
	int status;

	grove_timeout_start(&t, TIMEOUT);
	status = fetch(path, ret_body);
	if (grove_timeout_stop(&t) == 1)
		errno = ETIMEDOUT;
	return status;
}

static void *visit(void *arg);

/* Waits for a place in the pool, so it is not the visitor's to do: four of them waiting for each other would wait for ever. */
static void *send_visitor(void *v)
{
	grove_pool_spawn_raw(pool, visit, v, GROVE_FOREVER);
	return NULL;
}

static void find(const char *path, size_t len)
{
	struct visit *v = &visits[n_visits];

	for (int i = 0; i < n_visits; i++)
		if (strlen(visits[i].path) == len && !memcmp(visits[i].path, path, len))
			return;
	if (n_visits == PAGES_MAX || len >= sizeof(v->path))
		return;
	memcpy(v->path, path, len);
	n_visits++;
	grove_group_spawn_raw(finders, send_visitor, v);
}

static void follow_links(struct visit *v, const char *body)
{
	for (const char *link = strchr(body, '['); link; link = strchr(link, '[')) {
		size_t len = strcspn(++link, "]");

		if (*link == '/') {		/* others are somebody else's */
			v->links++;
			find(link, len);
		}
	}
}

static void *visit(void *arg)
{
	struct visit *v = arg;
	char *body = malloc(HTTP_BODY_MAX);

	running++;
	most_running = running > most_running ? running : most_running;
	for (int i = 0; i < TRIES && !v->done; i++) {
		int status = fetch_in_time(v->path, body);
		size_t n = strlen(v->tried);

		if (status > 0)
			snprintf(v->tried + n, sizeof(v->tried) - n, " %d", status);
		else
			snprintf(v->tried + n, sizeof(v->tried) - n, " %s", errno == ETIMEDOUT ? "timeout" : strerror(errno));
		v->done = status > 0 && status < 500;
		if (status == 200)
			follow_links(v, body);
		if (!v->done && i < TRIES - 1)
			grove_sleep(GROVE_MS(10 << i));
	}
	running--;
	free(body);
	return NULL;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct visit *)a)->path, ((const struct visit *)b)->path);
}

static void report(const struct http_site *site)
{
	qsort(visits, (size_t)n_visits, sizeof(visits[0]), by_path);
	for (int i = 0; i < n_visits; i++) {
		printf("%-12s%s", visits[i].path, visits[i].tried);
		if (visits[i].links)
			printf(" -> %d link%s", visits[i].links, visits[i].links == 1 ? "" : "s");
		puts(visits[i].done ? "" : ", given up");
	}
	printf("pages: %d; never more than %d at once: %s; fewer connections than requests: %s\n", n_visits, AT_ONCE,
	       most_running <= AT_ONCE ? "yes" : "no", (unsigned)dialled < site->requests ? "yes" : "no");
	fprintf(stderr, "%u requests on %d connections\n", site->requests, dialled);
}

int main(void)
{
	struct http_site site = { .page = page, .idle = GROVE_SEC(30) };
	grove_server *server = grove_server_new("127.0.0.1:0", http_serve, &site, NULL);

	if (!server || grove_server_start(server) < 0) {
		perror("crawl");
		return 1;
	}
	address = grove_server_address(server);
	pool = grove_pool_new(AT_ONCE);
	finders = grove_group_new();
	find("/", 1);
	do {					/* a page that was found late is somebody to wait for, too */
		grove_group_join(finders, GROVE_FOREVER, 0);
		grove_pool_join(pool, GROVE_FOREVER);
	} while (grove_group_size(finders) || grove_group_size(pool));
	report(&site);
	while (n_idle)
		done_with(idle[--n_idle], false);
	grove_server_stop(server, 0);
	grove_server_free(server);
	grove_pool_free(pool);
	grove_group_free(finders);
	return 0;
}
