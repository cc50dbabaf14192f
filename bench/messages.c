/*
 * messages.c - one thread that sends itself messages of 100 bytes and receives each at once: hackbench without a switch
 *
 *	messages sockets|pipes [N]	prints `ns', for each message
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 1000000;
	char message[100] = "", got[100];
	int fds[2], failed = 0;		/* [0] is read, [1] is written */
	double from;

	if (argc < 2 || n < 1 || (strcmp(argv[1], "pipes") == 0 ? pipe(fds) : socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) == -1) {
		fprintf(stderr, "usage: messages sockets|pipes [n], n at least 1\n");
		return 2;
	}
	from = now();
	for (long i = 0; i < n; i++)
		failed |= write(fds[1], message, sizeof(message)) != sizeof(message) ||
			  read(fds[0], got, sizeof(got)) != sizeof(got);
	if (failed) {
		perror("messages");
		return 1;
	}
	printf("ns %.2f\n", (now() - from) / (double)n);
	return 0;
}
