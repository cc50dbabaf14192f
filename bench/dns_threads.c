/*
 * dns_threads.c - asks for many names at once, as one would first write it: a thread for each, getaddrinfo(), default attributes
 *
 *	dns_threads [NAMES]
 *
 * Knows nothing of grove.  Prints the time until the last has its answer; exit status 1: an answer was wrong.
 */
#include "dns.h"
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *look_up(void *arg)
{
	int n = (int)(intptr_t)arg;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	char name[32];
	int error;

	snprintf(name, sizeof(name), "host%d.bench", n);
	error = getaddrinfo(name, "80", &hints, &list);
	if (error || list->ai_next || list->ai_family != AF_INET ||
	    ntohl(((struct sockaddr_in *)list->ai_addr)->sin_addr.s_addr) != dns_address(n)) {
		fprintf(stderr, "dns_threads: %s: %s\n", name, error ? gai_strerror(error) : "a wrong address");
		exit(1);
	}
	freeaddrinfo(list);
	return NULL;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : DNS_NAMES;
	pthread_t *threads = calloc(count, sizeof(*threads));
	double from = dns_ms(CLOCK_MONOTONIC), cpu_from = dns_ms(CLOCK_PROCESS_CPUTIME_ID);

	for (int i = 0; i < count; i++) {
		int error = pthread_create(&threads[i], NULL, look_up, (void *)(intptr_t)i);

		if (error) {
			fprintf(stderr, "dns_threads: thread %d: %s\n", i, strerror(error));
			return 1;
		}
	}
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	dns_report(from, cpu_from);
	free(threads);
	return 0;
}
