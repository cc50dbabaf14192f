/*
 * dns_hand.c - asks for many names at once by hand: one socket, all questions, then all answers; the limit of the DNS bench
 *
 *	dns_hand [NAMES]
 *
 * The questions are those that getaddrinfo() asks: an IPv4 and an IPv6 address of each name.  Exit status 1: an answer was wrong.
 */
#define _GNU_SOURCE
#include "dns.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { A = 1, AAAA = 28 };

static void fail(int n, const char *what)
{
	fprintf(stderr, "dns_hand: host%d.bench: %s\n", n, what);
	exit(1);
}

static size_t compose(unsigned char *text, int n, int kind)
{
	static const unsigned char head[12] = { 0, 0, 1, 0, 0, 1 };	/* recursion desired, one question */
	int label = sprintf((char *)text + 13, "host%d", n);
	uint16_t id = htons(n << 1 | (kind == AAAA));

	memcpy(text, head, sizeof(head));
	memcpy(text, &id, 2);
	text[12] = label;
	memcpy(text + 13 + label, "\5bench\0\0", 8);
	text[13 + label + 8] = kind;
	text[13 + label + 9] = 0;
	text[13 + label + 10] = 1;
	return 13 + label + 11;
}

static void ask(int fd, int n, int kind)
{
	unsigned char text[64];
	size_t len = compose(text, n, kind);

	if (send(fd, text, len, 0) != (ssize_t)len)
		fail(n, strerror(errno));
}

static void ask_all(int fd, const bool *answered, int count)
{
	for (int i = 0; i < 2 * count; i++)
		if (!answered[i])
			ask(fd, i >> 1, i & 1 ? AAAA : A);
}

/* The answer repeats the question; one address follows for A, none for AAAA.  False: none has come for a second. */
static bool take(int fd, bool *answered, int count)
{
	unsigned char got[512], asked[64];
	ssize_t len = recv(fd, got, sizeof(got), 0);
	int id = len >= 12 ? got[0] << 8 | got[1] : -1, n = id >> 1, kind = id & 1 ? AAAA : A;
	uint32_t address;
	size_t end;

	if (len == -1 && errno == EAGAIN)
		return false;
	if (id < 0 || n >= count || answered[id])
		fail(n, len < 0 ? strerror(errno) : "an answer that was not asked for");
	end = compose(asked, n, kind);
	if (len != (ssize_t)end + (kind == A ? 16 : 0) || (got[3] & 15) || memcmp(got + 12, asked + 12, end - 12) != 0)
		fail(n, "a wrong answer");
	memcpy(&address, got + end + 12, 4);
	if (kind == A && ntohl(address) != dns_address(n))
		fail(n, "a wrong address");
	answered[id] = true;
	return true;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : DNS_NAMES, fd = socket(AF_INET, SOCK_DGRAM, 0), room = 1 << 22;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 1 };
	bool *answered = calloc(2 * count, sizeof(*answered));
	double from, cpu_from;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		fail(0, strerror(errno));
	from = dns_ms(CLOCK_MONOTONIC);
	cpu_from = dns_ms(CLOCK_PROCESS_CPUTIME_ID);
	ask_all(fd, answered, count);
	for (int i = 0; i < 2 * count;)
		if (take(fd, answered, count))
			i++;
		else
			ask_all(fd, answered, count);
	dns_report(from, cpu_from);
	free(answered);
	return 0;
}
