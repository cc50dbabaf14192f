/*
 * dns_api.c - asks for many names at once through grove's C API: a greenlet for each, getaddrinfo() made green by grove_patch()
 *
 *	dns_api [NAMES]
 *
 * Prints the time until the last has its answer; exit status 1: an answer was wrong.
 */
#include "bench.h"
#include "dns.h"
#include <netdb.h>
#include <netinet/in.h>

static void *look_up(void *arg)
{
	int n = (int)(intptr_t)arg;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	char name[32];

	snprintf(name, sizeof(name), "host%d.bench", n);
	BENCH_CHECK(getaddrinfo(name, "80", &hints, &list) == 0);
	BENCH_CHECK(!list->ai_next && list->ai_family == AF_INET &&
		    ntohl(((struct sockaddr_in *)list->ai_addr)->sin_addr.s_addr) == dns_address(n));
	freeaddrinfo(list);
	return NULL;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : DNS_NAMES;
	grove_group *all = grove_group_new();
	double from, cpu_from;

	BENCH_CHECK(grove_patch() == 0);
	from = dns_ms(CLOCK_MONOTONIC);
	cpu_from = dns_ms(CLOCK_PROCESS_CPUTIME_ID);
	for (int i = 0; i < count; i++)
		BENCH_CHECK(grove_group_spawn_raw(all, look_up, (void *)(intptr_t)i) >= 0);
	BENCH_CHECK(grove_group_join(all, GROVE_FOREVER, 0) >= 0);
	dns_report(from, cpu_from);
	return 0;
}
