/*
 * dns_resolver.c - a name server that answers every question right, after a fixed time: what the DNS bench asks
 *
 *	dns_resolver [MS [PORT]]	20 ms, port 53 of 127.0.0.1; `port N' says that it is ready
 *
 * See dns.h for the answers.  Questions wait in the order in which they came, so the first is always the next to be answered, and
 * any number of them are in flight.
 */
#define _GNU_SOURCE
#include "dns.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define QUEUE	16384
#define NAME	12		/* where the question's name begins */

struct question {
	int64_t due;
	struct sockaddr_in from;
	uint16_t len;
	unsigned char text[510];
};

static struct question queue[QUEUE];
static unsigned first, next;

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The end of the first question, or 0: it is none */
static size_t question_end(const struct question *q)
{
	size_t at = NAME;

	while (at < q->len && q->text[at])
		at += 1 + q->text[at];
	return at + 5 <= q->len ? at + 5 : 0;
}

static void answer(int fd, const struct question *q)
{
	size_t end = question_end(q);
	unsigned char reply[sizeof(q->text) + 16];
	int n = -1;

	if (!end)
		return;
	memcpy(reply, q->text, end);
	memcpy(reply + 2, "\x81\x80\0\1\0\0\0\0\0\0", 10);
	sscanf((const char *)q->text + NAME + 1, "host%d", &n);
	if (n < 0 || n > 65535) {
		reply[3] |= 3;			/* no such name */
	} else if (q->text[end - 3] == 1) {	/* A */
		uint32_t address = htonl(dns_address(n));

		reply[7] = 1;
		memcpy(reply + end, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4", 12);
		memcpy(reply + end + 12, &address, 4);
		end += 16;
	}
	sendto(fd, reply, end, 0, (const struct sockaddr *)&q->from, sizeof(q->from));
}

static void take_all(int fd, int64_t delay)
{
	while (next - first < QUEUE) {
		struct question *q = &queue[next % QUEUE];
		socklen_t size = sizeof(q->from);
		ssize_t n = recvfrom(fd, q->text, sizeof(q->text), MSG_DONTWAIT, (struct sockaddr *)&q->from, &size);

		if (n == -1)
			return;
		q->len = n;
		q->due = now() + delay;
		next++;
	}
}

int main(int argc, char **argv)
{
	int64_t delay = (argc > 1 ? atof(argv[1]) : 20) * 1e6;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 1 << 22;
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(argc > 2 ? atoi(argv[2]) : 53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) == -1) {
		perror("dns_resolver: bind");
		return 1;
	}
	printf("port %d\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = first != next ? queue[first % QUEUE].due - now() : 1000000000;
		struct timespec t = { .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };

		if (left > 0)
			ppoll(&p, 1, &t, NULL);
		take_all(fd, delay);
		for (; first != next && queue[first % QUEUE].due <= now(); first++)
			answer(fd, &queue[first % QUEUE]);
	}
}
