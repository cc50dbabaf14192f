/*
 * http.c - a small HTTP/1.1 server: a thread per connection, blocking calls, keep-alive; every GET is answered with one file
 *
 *	http PORT FILE		PORT 0: any free port; the one in use is printed
 *
 * Knows nothing of grove.  `http 8000 README.md` gives every connection a kernel thread, `grove http 8000 README.md` a greenlet.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
	char head[2][128];		/* [keeps the connection] */
	size_t head_len[2];
	char *body;
	size_t body_len;
} answer;				/* what every GET gets; written once, before the first thread */

static const char not_done[] = "HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

static bool send_answer(int fd, bool keep, bool with_body)
{
	struct iovec part[2] = { { answer.head[keep], answer.head_len[keep] }, { answer.body, with_body ? answer.body_len : 0 } };
	struct msghdr msg = { .msg_iov = part, .msg_iovlen = 2 };

	while (part[0].iov_len + part[1].iov_len) {
		ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return false;
		for (int i = 0; i < 2; i++) {
			size_t of_this = (size_t)n < part[i].iov_len ? (size_t)n : part[i].iov_len;

			part[i].iov_base = (char *)part[i].iov_base + of_this;
			part[i].iov_len -= of_this;
			n -= of_this;
		}
	}
	return true;
}

/* HTTP/1.1 keeps the connection unless told otherwise, HTTP/1.0 closes it unless told otherwise. */
static bool keeps_alive(const char *request)
{
	bool old = strstr(request, " HTTP/1.0\r\n");

	if (strcasestr(request, "\r\nConnection: close"))
		return false;
	return !old || strcasestr(request, "\r\nConnection: keep-alive");
}

/* One whole request, headers and blank line, zero-terminated.  False: the connection is to be closed. */
static bool answer_request(int fd, const char *request)
{
	bool head = strncmp(request, "HEAD ", 5) == 0, keep = keeps_alive(request);

	if (!head && strncmp(request, "GET ", 4) != 0) {
		send(fd, not_done, sizeof(not_done) - 1, MSG_NOSIGNAL);
		return false;
	}
	return send_answer(fd, keep, !head) && keep;
}

static void *serve(void *arg)
{
	int fd = (intptr_t)arg;
	char buf[8192], *end;
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		have += n;
		buf[have] = '\0';
		while ((end = strstr(buf, "\r\n\r\n"))) {
			size_t used = end + 4 - buf;
			char next = buf[used];

			buf[used] = '\0';
			if (!answer_request(fd, buf))
				goto out;
			buf[used] = next;
			memmove(buf, buf + used, have - used + 1);
			have -= used;
		}
	}
out:
	close(fd);
	return NULL;
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

static int listen_on(int port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	socklen_t len = sizeof(at);

	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    bind(fd, (struct sockaddr *)&at, len) == -1 || listen(fd, 4096) == -1 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) == -1) {
		perror("http: listen");
		exit(1);
	}
	printf("port %d\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	int listener, on = 1;

	if (argc != 3) {
		fprintf(stderr, "usage: http PORT FILE\n");
		return 2;
	}
	read_file(argv[2]);
	listener = listen_on(atoi(argv[1]));
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pthread_t thread;

		if (fd == -1) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			perror("http: accept");
			return 1;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
		else
			close(fd);
	}
}
