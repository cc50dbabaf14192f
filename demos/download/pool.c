/*
 * pool.c - a pool of sessions: few connections, kept alive, for many downloads
 *
 * Twenty-four greenlets want a file each.  With a libcurl handle of its own, each makes a connection, all at once.  With a pool, a
 * queue of three handles, each takes one, uses it, and puts it back: getting from the empty queue parks, so there never are more
 * than three downloads at once, and libcurl goes on with the connection that its handle has.  The queue is all there is to it.
 *
 * Needs: libcurl4-openssl-dev
 */
#include "server.h"
#include <curl/curl.h>
#include <grove.h>
#include <stdio.h>

#define DOWNLOADS	24
#define SESSIONS	3

static struct server server[2];
static grove_queue *sessions;
static int right;

struct body {
	int k;
	size_t len;
	bool right;
};

static size_t check_piece(char *data, size_t one, size_t n, void *arg)
{
	struct body *b = arg;

	(void)one;
	for (size_t i = 0; i < n; i++)
		b->right &= (unsigned char)data[i] == server_byte(b->k, b->len++);
	return n;
}

static void fetch(CURL *session, int port, int k)
{
	struct body body = { .k = k, .right = true };
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/%d", port, k);
	curl_easy_setopt(session, CURLOPT_URL, url);
	curl_easy_setopt(session, CURLOPT_WRITEFUNCTION, check_piece);
	curl_easy_setopt(session, CURLOPT_WRITEDATA, &body);
	curl_easy_setopt(session, CURLOPT_NOSIGNAL, 1L);
	right += curl_easy_perform(session) == CURLE_OK && body.right;
}

static void *fetch_alone(void *arg)
{
	CURL *session = curl_easy_init();

	fetch(session, server[0].port[0], (int)(long)arg);
	curl_easy_cleanup(session);
	return NULL;
}

static void *fetch_from_pool(void *arg)
{
	void *session;

	grove_queue_get(sessions, &session, GROVE_FOREVER);
	fetch(session, server[1].port[0], (int)(long)arg);
	grove_queue_put(sessions, session, GROVE_FOREVER);
	return NULL;
}

static void all_at_once(const char *name, grove_fn *fn, const struct server_counts *counts)
{
	grove_greenlet *g[DOWNLOADS];

	right = 0;
	for (long k = 0; k < DOWNLOADS; k++)
		g[k] = grove_spawn(fn, (void *)k);
	grove_joinall(g, DOWNLOADS, 0, GROVE_FOREVER, 0);
	for (int k = 0; k < DOWNLOADS; k++)
		grove_release(g[k]);
	printf("%s: %d right answers, %d connections, %s\n", name, right, counts->connections,
	       counts->most_in_flight > SESSIONS ? "many at once" : "never more than three at once");
}

int main(void)
{
	server_start(&server[0], 1, 2048, 5000, DOWNLOADS);
	server_start(&server[1], 1, 2048, 5000, 1);
	if (grove_patch() == -1)
		return 1;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	all_at_once("a handle each", fetch_alone, server[0].counts);

	sessions = grove_queue_new(SESSIONS);
	for (int i = 0; i < SESSIONS; i++)
		grove_queue_put(sessions, curl_easy_init(), GROVE_FOREVER);
	all_at_once("a pool of 3", fetch_from_pool, server[1].counts);

	for (int i = 0; i < SESSIONS; i++) {
		void *session;

		grove_queue_get(sessions, &session, GROVE_FOREVER);
		curl_easy_cleanup(session);
	}
	grove_queue_free(sessions);
	server_stop(&server[0]);
	server_stop(&server[1]);
	return 0;
}
