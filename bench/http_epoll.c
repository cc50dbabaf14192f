/*
 * http_epoll.c - demos/serve/http as an expert writes it by hand: one edge-triggered epoll loop; the HTTP benches' limit
 *
 *	http_epoll PORT FILE	PORT 0: any free port; the one in use is printed
 *
 * The same requests are understood and the same bytes are answered: HTTP/1.1 with keep-alive and pipelining, and every GET gets
 * one file.  A connection is in the middle of a request (in[]), or in the middle of an answer (left > 0), which it ends first.
 */
#define _GNU_SOURCE
#include "listen.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct conn {
	int fd;
	bool closing;			/* after the answer */
	bool keeps, with_body;		/* which answer it is */
	size_t left;			/* bytes of it that are not sent */
	size_t have;
	char in[8192];
};

static struct {
	char head[2][128];		/* [keeps the connection] */
	size_t head_len[2];
	char *body;
	size_t body_len;
} answer;

static const char not_done[] = "HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

static void conn_end(struct conn *c)
{
	close(c->fd);
	free(c);
}

/* 1: all is sent; 0: the socket is full, an edge will tell; -1: the peer is gone */
static int conn_flush(struct conn *c)
{
	while (c->left) {
		size_t body = c->with_body ? answer.body_len : 0, head = answer.head_len[c->keeps], sent = head + body - c->left;
		size_t of_head = sent < head ? head - sent : 0, of_body = c->left - of_head;
		struct iovec part[2] = {
			{ answer.head[c->keeps] + head - of_head, of_head }, { answer.body + body - of_body, of_body }
		};
		struct msghdr msg = { .msg_iov = part, .msg_iovlen = 2 };
		ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);

		if (n == -1)
			return errno == EAGAIN ? 0 : -1;
		c->left -= n;
	}
	return c->closing ? -1 : 1;
}

/* HTTP/1.1 keeps the connection unless told otherwise, HTTP/1.0 closes it unless told otherwise. */
static bool keeps_alive(const char *request)
{
	bool old = strstr(request, " HTTP/1.0\r\n");

	if (strcasestr(request, "\r\nConnection: close"))
		return false;
	return !old || strcasestr(request, "\r\nConnection: keep-alive");
}

static int answer_request(struct conn *c, const char *request)
{
	bool head = strncmp(request, "HEAD ", 5) == 0;

	if (!head && strncmp(request, "GET ", 4) != 0) {
		send(c->fd, not_done, sizeof(not_done) - 1, MSG_NOSIGNAL);
		return -1;
	}
	c->keeps = keeps_alive(request);
	c->closing = !c->keeps;
	c->with_body = !head;
	c->left = answer.head_len[c->keeps] + (head ? 0 : answer.body_len);
	return conn_flush(c);
}

/* All whole requests that are there.  1: they are answered; 0 and -1 as conn_flush() */
static int answer_all(struct conn *c)
{
	char *end;
	int done = conn_flush(c);

	while (done == 1 && (end = strstr(c->in, "\r\n\r\n"))) {
		size_t used = end + 4 - c->in;
		char next = c->in[used];

		c->in[used] = '\0';
		done = answer_request(c, c->in);
		c->in[used] = next;
		memmove(c->in, c->in + used, c->have - used + 1);
		c->have -= used;
	}
	return done;
}

/* @ending: the peer has shut down, which is told once, so read on to the end of file */
static void conn_ready(struct conn *c, bool ending)
{
	int done;

	while ((done = answer_all(c)) == 1) {
		size_t room = sizeof(c->in) - 1 - c->have;
		ssize_t n = recv(c->fd, c->in + c->have, room, 0);

		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0) {
			done = -1;
			break;
		}
		c->have += n;
		c->in[c->have] = '\0';
		if ((size_t)n < room && !ending) {	/* a receive that comes up short has emptied the socket */
			done = answer_all(c);
			break;
		}
	}
	if (done == -1)
		conn_end(c);
}

static void accept_all(int listener, int epoll)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1) {
		struct conn *c = malloc(sizeof(*c));
		struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };

		if (!c) {
			close(fd);
			continue;
		}
		c->fd = fd;
		c->closing = false;
		c->left = c->have = 0;
		c->in[0] = '\0';
		send_at_once(fd);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) == -1)
			conn_end(c);
	}
}

static void read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	struct stat st;

	if (!file || fstat(fileno(file), &st) == -1 || !(answer.body = malloc(st.st_size + 1)) ||
	    fread(answer.body, 1, st.st_size, file) != (size_t)st.st_size) {
		perror(path);
		exit(1);
	}
	fclose(file);
	answer.body_len = st.st_size;
	for (int keep = 0; keep < 2; keep++)
		answer.head_len[keep] = snprintf(answer.head[keep], sizeof(answer.head[keep]),
						 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
						 "Content-Length: %zu\r\nConnection: %s\r\n\r\n",
						 answer.body_len, keep ? "keep-alive" : "close");
}

int main(int argc, char **argv)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL }, got[256];
	int listener, epoll = epoll_create1(EPOLL_CLOEXEC);

	if (argc != 3) {
		fprintf(stderr, "usage: http_epoll PORT FILE\n");
		return 2;
	}
	read_file(argv[2]);
	listener = listen_on(atoi(argv[1]), SOCK_NONBLOCK);
	if (epoll == -1 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev) == -1) {
		perror("http_epoll: epoll");
		return 1;
	}
	for (;;) {
		int n = epoll_wait(epoll, got, 256, -1);

		for (int i = 0; i < n; i++) {
			if (got[i].data.ptr)
				conn_ready(got[i].data.ptr, got[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
			else
				accept_all(listener, epoll);
		}
	}
}
