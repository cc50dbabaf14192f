/*
 * dns_answer.h - what DNS messages say about a host, packed into the buffers that libc's look-up functions hand to their modules
 *
 * Internal to dns*.c.  Pure: messages in, structures out.
 */
#ifndef GR_DNS_ANSWER_H
#define GR_DNS_ANSWER_H

#include "dns_query.h"
#include <netdb.h>
#include <nss.h>

/* A caller's buffer, filled from its start */
struct gr_dns_room {
	char *at, *end;
};

/* Where libc wants the outcome beside its status */
struct gr_dns_errors {
	int *err, *herr;
};

/* The addresses in @reply[0..n-1], answers to questions of these types, in that order, for getaddrinfo(); *tuple may be a first
 * element to fill. */
enum nss_status gr_dns_pack_tuples(const struct gr_dns_reply *reply, const int *type, unsigned n, struct gr_dns_room *room,
				   struct gr_dns_errors e, struct gaih_addrtuple **tuple, int32_t *ttl);

/* The addresses of family @af with the names that lead to them, for gethostbyname(). */
enum nss_status gr_dns_pack_host(const struct gr_dns_reply *reply, int af, struct gr_dns_room *room, struct gr_dns_errors e,
				 struct hostent *ret, int32_t *ttl);

/* The name of the address @addr, for gethostbyaddr(). */
enum nss_status gr_dns_pack_name(const struct gr_dns_reply *reply, const void *addr, int len, int af, struct gr_dns_room *room,
				 struct gr_dns_errors e, struct hostent *ret, int32_t *ttl);

#endif
