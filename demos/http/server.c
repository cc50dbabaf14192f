/*
 * server.c - an HTTP/1.1 server whose handler reads top to bottom: a loop over requests on one connection, blocking calls
 *
 * Keep-alive is that loop; pipelining is the buffer that it reads from; a request in pieces is nothing special, since reading
 * waits for the rest.  Nobody keeps a state machine, because the place in the code is the state.  What the client does here, and
 * hears:
 */
#include "http.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void page(const struct http_request *r, struct http_answer *a, void *arg)
{
	static char text[128];

	(void)arg;
	if (!strcmp(r->path, "/")) {
		*a = (struct http_answer){ .status = 200, .body = "welcome\n" };
	} else if (!strcmp(r->path, "/count")) {
		snprintf(text, sizeof(text), "%zu bytes\n", r->body_len);
		*a = (struct http_answer){ .status = 200, .body = text };
	}
}

static grove_server *server;

/* All answers until the server closes the connection, or @n of them */
static void hear(struct http_stream *s, int n, bool head)
{
	static char body[HTTP_BODY_MAX];
	bool keep = true;

	while (n-- && keep) {
		int status = http_read_answer(s, head, body, &keep);

		if (status < 0) {
			puts("  the connection is closed");
			return;
		}
		body[strcspn(body, "\n")] = '\0';
		printf("  %d %s%s\n", status, body[0] ? body : "(no body)", keep ? "" : ", and closes");
	}
}

static struct http_stream *dial(void)
{
	struct http_stream *s = calloc(1, sizeof(*s));

	s->fd = grove_dial(grove_server_address(server), GROVE_SEC(9));
	return s;
}

static void say(struct http_stream *s, const char *text)
{
	grove_sendall(s->fd, text, strlen(text), GROVE_SEC(9));
}

static void hang_up(struct http_stream *s)
{
	close(s->fd);
	free(s);
}

static void alone(const char *what, const char *request)
{
	struct http_stream *s = dial();

	puts(what);
	say(s, request);
	hear(s, 1, false);
	hang_up(s);
}

static void one_connection(void)
{
	static const char *const pieces[] = { "POST /cou", "nt HTTP/1.1\r\nContent-Le", "ngth: 5\r\n\r", "\nhe", "llo" };
	struct http_stream *s = dial();

	puts("one connection, one request after another");
	say(s, "GET / HTTP/1.1\r\nHost: demo\r\n\r\n");
	hear(s, 1, false);
	say(s, "GET /nowhere HTTP/1.1\r\nHost: demo\r\n\r\n");
	hear(s, 1, false);
	say(s, "HEAD / HTTP/1.1\r\nHost: demo\r\n\r\n");
	hear(s, 1, true);
	puts("three requests at once, the last in chunks");
	say(s, "GET / HTTP/1.1\r\nHost: demo\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: demo\r\n\r\n"
	       "POST /count HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n there\r\n0\r\n\r\n");
	hear(s, 3, false);
	puts("one request in five pieces");
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		say(s, pieces[i]);
		grove_sleep(GROVE_MS(1));
	}
	hear(s, 1, false);
	puts("a method that it does not know, then goodbye");
	say(s, "BREW / HTTP/1.1\r\nHost: demo\r\n\r\nGET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n");
	hear(s, 3, false);
	hang_up(s);
}

static void too_long_a_head(void)
{
	char *request = malloc(2 * HTTP_HEAD_MAX);

	memset(request, 'x', 2 * HTTP_HEAD_MAX);
	memcpy(request, "GET /", 5);
	request[HTTP_HEAD_MAX] = '\0';
	alone("a head without an end", request);
	free(request);
}

static void too_slow(void)
{
	struct http_stream *s = dial();

	puts("a client that says nothing");
	hear(s, 1, false);
	hang_up(s);
}

int main(void)
{
	struct http_site site = { .page = page, .idle = GROVE_SEC(1) };

	server = grove_server_new("127.0.0.1:0", http_serve, &site, NULL);
	if (!server || grove_server_start(server) < 0) {
		perror("server");
		return 1;
	}
	one_connection();
	alone("HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n");
	alone("nonsense", "what is this?\r\n\r\n");
	alone("a body that is too large", "POST /count HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
	too_long_a_head();
	too_slow();
	grove_server_stop(server, GROVE_SEC(1));
	printf("%u requests on %u connections\n", site.requests, site.connections);
	grove_server_free(server);
	return 0;
}
