/*
 * dns.h - what the programs of the DNS bench agree on: the questions, and the answers they must get
 *
 * host0.bench ... hostN.bench have one IPv4 address each, 10.53.x.y with N = 256 x + y, and no IPv6 address.
 */
#ifndef BENCH_DNS_H
#define BENCH_DNS_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define DNS_NAMES	1000		/* that are asked for, unless told otherwise */

static inline uint32_t dns_address(int n)	/* in the host's byte order */
{
	return 10u << 24 | 53u << 16 | (uint32_t)n;
}

static inline double dns_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* @from, @cpu_from: from before */
static inline void dns_report(double from, double cpu_from)
{
	printf("ms %.2f\ncpu_ms %.2f\n", dns_ms(CLOCK_MONOTONIC) - from, dns_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_from);
}

#endif
