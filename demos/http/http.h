/*
 * http.h - HTTP/1.1 for the demos of this folder: connections that are read in pieces, a server's side, a client's side
 *
 * Nothing here waits but by grove_recv() and grove_sendall(), so no program needs grove_patch() for it.
 */
#ifndef DEMO_HTTP_H
#define DEMO_HTTP_H

#include <grove.h>
#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX	4096	/* of a request or an answer */
#define HTTP_BODY_MAX	65536

/* A connection, and what has come from it and was not used yet: with pipelining that may be the next request. */
struct http_stream {
	int fd;
	size_t have;
	char buf[HTTP_HEAD_MAX];
};

struct http_request {
	char method[16], path[256];
	bool keep_alive;
	size_t body_len;
	char *body;			/* of HTTP_BODY_MAX bytes; NULL: there is none */
};

struct http_answer {
	int status;			/* 200, 404 ... */
	const char *body;		/* text */
	size_t delay_ms;		/* think so long before */
	bool silent;			/* never answer at all */
};

/* Who knows what to say: fills in @a for @r. */
typedef void http_page_fn(const struct http_request *r, struct http_answer *a, void *arg);

struct http_site {
	http_page_fn *page;
	void *arg;
	int64_t idle;			/* ns to wait for a request */
	unsigned connections, requests;	/* so far */
};

/* A grove_stream_fn; its argument is the site. */
void http_serve(int fd, const struct sockaddr *peer, socklen_t len, void *site);

/*
 * The next answer at @s into @ret_body, of HTTP_BODY_MAX bytes, as text.  Its status, or -1 with errno; @ret_keep: the connection
 * may be used again.  @head: it answers a HEAD, which has no body.
 */
int http_read_answer(struct http_stream *s, bool head, char *ret_body, bool *ret_keep);

#endif
