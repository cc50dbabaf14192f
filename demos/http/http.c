/*
 * http.c - HTTP/1.1, both sides, straight-line code: read a head, read a body, say something
 */
#define _GNU_SOURCE
#include "http.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reading in pieces ------------------------------------------------------------------------------------------------------ */

/* More from the connection; 1, 0 at the end, -1 with errno */
static int more(struct http_stream *s, int64_t timeout)
{
	ssize_t n;

	if (s->have == sizeof(s->buf)) {
		errno = EMSGSIZE;
		return -1;
	}
	n = grove_recv(s->fd, s->buf + s->have, sizeof(s->buf) - s->have, timeout);
	if (n > 0)
		s->have += (size_t)n;
	return n > 0 ? 1 : (int)n;
}

static void used(struct http_stream *s, size_t n)
{
	s->have -= n;
	memmove(s->buf, s->buf + n, s->have);
}

/* All up to @end, with it, as a string into @ret_text, of HTTP_HEAD_MAX + 1 bytes; 1, 0 at the end, -1 with errno */
static int read_until(struct http_stream *s, const char *end, char *ret_text, int64_t timeout)
{
	const char *found;
	size_t n;
	int r;

	while (!(found = memmem(s->buf, s->have, end, strlen(end)))) {
		r = more(s, timeout);
		if (r <= 0)
			return r;
	}
	n = (size_t)(found - s->buf) + strlen(end);
	memcpy(ret_text, s->buf, n);
	ret_text[n] = '\0';
	used(s, n);
	return 1;
}

static int read_exactly(struct http_stream *s, char *ret_data, size_t n, int64_t timeout)
{
	while (n) {
		size_t piece = s->have < n ? s->have : n;
		int r;

		memcpy(ret_data, s->buf, piece);
		used(s, piece);
		ret_data += piece;
		n -= piece;
		if (!n)
			break;
		r = more(s, timeout);
		if (r <= 0)
			return r;
	}
	return 1;
}

/* --- heads and bodies ------------------------------------------------------------------------------------------------------- */

/* The value of a field in a head, up to the end of its line; NULL: it is not there */
static const char *field(const char *head, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (!strncasecmp(line, name, n) && line[n] == ':')
			return line + n + 1 + strspn(line + n + 1, " \t");
	}
	return NULL;
}

static bool has_word(const char *value, const char *word)
{
	const char *found = value ? strcasestr(value, word) : NULL;

	return found && found < strstr(value, "\r\n");
}

static bool keeps_alive(const char *head)
{
	const char *connection = field(head, "Connection");

	return strstr(head, "HTTP/1.0") ? has_word(connection, "keep-alive") : !has_word(connection, "close");
}

/* A number in @base and nothing else before the line ends; false: it is none */
static bool number(const char *text, int base, size_t *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, base);

	*ret = n;
	return end != text && *text != '-' && *text != '+' && (*end == '\r' || *end == ';') && n < (1ul << 31);
}

/* Pieces, each after its length.  0, or the status to refuse it with; -1: the connection is of no use. */
static int read_chunks(struct http_stream *s, char *body, size_t *ret_len, int64_t timeout)
{
	char line[HTTP_HEAD_MAX + 1];
	size_t n, len = 0;

	for (;;) {
		if (read_until(s, "\r\n", line, timeout) <= 0)
			return -1;
		if (!number(line, 16, &n))
			return 400;
		if (n == 0)
			break;
		if (n > HTTP_BODY_MAX - len)
			return 413;
		if (read_exactly(s, body + len, n, timeout) <= 0 || read_exactly(s, line, 2, timeout) <= 0)
			return -1;
		len += n;
	}
	do						/* fields that follow are passed over */
		if (read_until(s, "\r\n", line, timeout) <= 0)
			return -1;
	while (strcmp(line, "\r\n") != 0);
	*ret_len = len;
	return 0;
}

/* As @head announces it */
static int read_body(struct http_stream *s, const char *head, char *body, size_t *ret_len, int64_t timeout)
{
	const char *length = field(head, "Content-Length");

	*ret_len = 0;
	if (has_word(field(head, "Transfer-Encoding"), "chunked"))
		return length ? 400 : read_chunks(s, body, ret_len, timeout);
	if (!length)
		return 0;
	if (!number(length, 10, ret_len))
		return 400;
	if (*ret_len > HTTP_BODY_MAX)
		return 413;
	return read_exactly(s, body, *ret_len, timeout) <= 0 ? -1 : 0;
}

/* --- the server's side ------------------------------------------------------------------------------------------------------ */

static const char *reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 413: return "Content Too Large";
	case 431: return "Request Header Fields Too Large";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	default: return "Something Else";
	}
}

/* Head and body in one piece where they fit: two small ones would have TCP wait for the peer in between. */
static bool send_answer(int fd, int status, const char *body, bool keep_alive, bool head)
{
	char text[HTTP_HEAD_MAX];
	size_t len = strlen(body), n;

	n = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n",
			     status, reason(status), len, keep_alive ? "" : "Connection: close\r\n");
	if (head)
		len = 0;
	if (n + len <= sizeof(text)) {
		memcpy(text + n, body, len);
		n += len;
		len = 0;
	}
	return grove_sendall(fd, text, n, GROVE_SEC(10)) == 0 && (!len || grove_sendall(fd, body, len, GROVE_SEC(10)) == 0);
}

/* 0, or the status to refuse it with; -1: nobody is there any more */
static int read_request(struct http_stream *s, struct http_request *r, struct http_site *site)
{
	char head[HTTP_HEAD_MAX + 1], version[16];
	int got = read_until(s, "\r\n\r\n", head, site->idle);

	r->keep_alive = false;
	if (got <= 0)
		return got < 0 && errno == EMSGSIZE ? 431 : -1;
	if (sscanf(head, "%15[A-Z] %255s %15s\r\n", r->method, r->path, version) != 3 || strncmp(version, "HTTP/1.", 7) != 0 ||
	    r->path[0] != '/')
		return 400;
	got = read_body(s, head, r->body, &r->body_len, site->idle);
	if (got == 0)
		r->keep_alive = keeps_alive(head);
	return got;
}

static bool answer(int fd, const struct http_request *r, struct http_site *site)
{
	struct http_answer a = { .status = 404, .body = "no such page\n" };
	bool head = !strcmp(r->method, "HEAD");

	site->requests++;
	if (!head && strcmp(r->method, "GET") != 0 && strcmp(r->method, "POST") != 0)
		return send_answer(fd, 501, "", r->keep_alive, false);
	site->page(r, &a, site->arg);
	if (a.silent)
		return grove_sleep(GROVE_FOREVER) == 0;
	if (a.delay_ms && grove_sleep(GROVE_MS(a.delay_ms)) < 0)
		return false;
	return send_answer(fd, a.status, a.body, r->keep_alive, head);
}

void http_serve(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	struct http_site *site = arg;
	struct http_stream *s = calloc(1, sizeof(*s));
	struct http_request r = { .body = malloc(HTTP_BODY_MAX) };
	int refuse = -1;

	(void)peer;
	(void)len;
	site->connections++;
	if (s && r.body) {
		s->fd = fd;
		do
			refuse = read_request(s, &r, site);
		while (refuse == 0 && answer(fd, &r, site) && r.keep_alive);
		if (refuse > 0)			/* what follows on this connection cannot be told apart any more */
			send_answer(fd, refuse, "", false, false);
	}
	free(r.body);
	free(s);
}

/* --- the client's side ------------------------------------------------------------------------------------------------------ */

int http_read_answer(struct http_stream *s, bool head, char *ret_body, bool *ret_keep)
{
	char text[HTTP_HEAD_MAX + 1];
	size_t len = 0;
	int r = read_until(s, "\r\n\r\n", text, GROVE_FOREVER), status;

	if (r == 0)
		errno = ECONNRESET;
	if (r <= 0)
		return -1;
	if (sscanf(text, "HTTP/1.%*1[01] %3d", &status) != 1 ||
	    (!head && read_body(s, text, ret_body, &len, GROVE_FOREVER) != 0)) {
		errno = EPROTO;
		return -1;
	}
	ret_body[len < HTTP_BODY_MAX ? len : HTTP_BODY_MAX - 1] = '\0';
	*ret_keep = keeps_alive(text);
	return status;
}
