/*
 * dns_nss.c - the name service module: answers by c-ares where we can, by libc's own dns module where not
 */
#include "dns_nss.h"
#include "dns_answer.h"
#include "dns_search.h"
#include "sched.h"
#include <arpa/nameser.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

/* libc's own.  Since glibc 2.34 the library is empty and leads to libc.so, where the module lives now. */
static void *libc_dns(const char *function)
{
	void *module = dlopen("libnss_dns.so.2", RTLD_NOW);

	return module ? dlsym(module, function) : NULL;
}

#define LIBC_DNS(function, ...) \
	({ \
		__typeof__(&gr_dns_##function) fn = (__typeof__(fn))libc_dns("_nss_dns_" #function); \
		fn ? fn(__VA_ARGS__) : NSS_STATUS_UNAVAIL; \
	})

static bool ours(const char *name)
{
	return gr_on_greenlet(gr_carrier()) && gr_dns_search_knows(name);
}

/* libc's module asks about host names only. */
static bool host_name(const char *name, int *herr)
{
	if (res_hnok(name))
		return true;
	*herr = HOST_NOT_FOUND;
	return false;
}

/* No reply has an answer: what libc's module makes of it */
static enum nss_status failed(const struct gr_dns_search *s, int *err, int *herr)
{
	*herr = s->herr;
	if (s->herr == TRY_AGAIN)
		*err = EAGAIN;
	if (s->herr == NETDB_INTERNAL)
		*err = s->err;
	return s->err == ECONNREFUSED || s->err == ETIMEDOUT || s->herr == NETDB_INTERNAL ? NSS_STATUS_TRYAGAIN : NSS_STATUS_NOTFOUND;
}

static void end(void *s)
{
	gr_dns_search_end(s);
}

enum nss_status gr_dns_gethostbyname4_r(const char *name, struct gaih_addrtuple **tuple, char *buf, size_t len, int *err, int *herr,
					int32_t *ttl)
{
	struct gr_dns_search s = { .type = { ns_t_a, ns_t_aaaa }, .parts = 2 };
	struct gr_dns_room room = { buf, buf + len };
	enum nss_status status;
	int saved = errno;
	bool found;

	if (!ours(name))
		return LIBC_DNS(gethostbyname4_r, name, tuple, buf, len, err, herr, ttl);
	if (!host_name(name, herr))
		return NSS_STATUS_NOTFOUND;
	pthread_cleanup_push(end, &s);
	found = gr_dns_search_name(&s, name);
	errno = saved;			/* libc may have us report in errno itself */
	if (found)
		status = gr_dns_pack_tuples(s.reply, s.type, s.parts, &room, (struct gr_dns_errors){ err, herr }, tuple, ttl);
	else
		status = failed(&s, err, herr);
	pthread_cleanup_pop(1);
	return status;
}

enum nss_status gr_dns_gethostbyname3_r(const char *name, int af, struct hostent *ret, char *buf, size_t len, int *err, int *herr,
					int32_t *ttl, char **canon)
{
	struct gr_dns_search s = { .type = { af == AF_INET ? ns_t_a : ns_t_aaaa }, .parts = 1 };
	struct gr_dns_room room = { buf, buf + len };
	enum nss_status status;
	int saved = errno;
	bool found;

	if ((af != AF_INET && af != AF_INET6) || !ours(name))
		return LIBC_DNS(gethostbyname3_r, name, af, ret, buf, len, err, herr, ttl, canon);
	if (!host_name(name, herr))
		return NSS_STATUS_NOTFOUND;
	pthread_cleanup_push(end, &s);
	found = gr_dns_search_name(&s, name);
	errno = saved;			/* libc may have us report in errno itself */
	if (found)
		status = gr_dns_pack_host(s.reply, af, &room, (struct gr_dns_errors){ err, herr }, ret, ttl);
	else
		status = failed(&s, err, herr);
	pthread_cleanup_pop(1);
	if (status == NSS_STATUS_SUCCESS && canon)
		*canon = ret->h_name;
	return status;
}

/* The name under which the DNS keeps an address */
static void reverse_name(const unsigned char *addr, int af, char *name)
{
	char *at = name;

	if (af == AF_INET) {
		sprintf(name, "%u.%u.%u.%u.in-addr.arpa", addr[3], addr[2], addr[1], addr[0]);
		return;
	}
	for (int i = NS_IN6ADDRSZ - 1; i >= 0; i--)
		at += sprintf(at, "%x.%x.", addr[i] & 0xf, addr[i] >> 4);
	strcpy(at, "ip6.arpa");
}

/* Is it an IPv4 address in the clothes of an IPv6 one (mapped, or compatible but not ::1)? */
static bool is_v4(const unsigned char *a)
{
	static const unsigned char zero[12], one[4] = { 0, 0, 0, 1 };

	return IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)a) || (!memcmp(a, zero, 12) && memcmp(a + 12, one, 4) != 0);
}

enum nss_status gr_dns_gethostbyaddr2_r(const void *addr, socklen_t alen, int af, struct hostent *ret, char *buf, size_t len, int *err,
					int *herr, int32_t *ttl)
{
	struct gr_dns_search s = { .type = { ns_t_ptr }, .parts = 1 };
	struct gr_dns_room room = { buf, buf + len };
	enum nss_status status;
	char name[80];
	int saved = errno;
	bool found;

	if (!(af == AF_INET && alen >= NS_INADDRSZ) && !(af == AF_INET6 && alen >= NS_IN6ADDRSZ))
		return LIBC_DNS(gethostbyaddr2_r, addr, alen, af, ret, buf, len, err, herr, ttl);	/* what to say to that, libc knows */
	if (!ours(NULL))
		return LIBC_DNS(gethostbyaddr2_r, addr, alen, af, ret, buf, len, err, herr, ttl);
	if (af == AF_INET6 && alen == NS_IN6ADDRSZ && is_v4(addr)) {
		addr = (const char *)addr + 12;
		alen = NS_INADDRSZ;
		af = AF_INET;
	}
	reverse_name(addr, af, name);
	pthread_cleanup_push(end, &s);
	found = gr_dns_search_one(&s, name);
	errno = saved;			/* libc may have us report in errno itself */
	if (found) {
		status = gr_dns_pack_name(s.reply, addr, (int)alen, af, &room, (struct gr_dns_errors){ err, herr }, ret, ttl);
	} else {
		status = NSS_STATUS_NOTFOUND;
		*herr = s.herr;
	}
	pthread_cleanup_pop(1);
	return status;
}

enum nss_status gr_dns_getcanonname_r(const char *name, char *buf, size_t len, char **result, int *err, int *herr)
{
	return LIBC_DNS(getcanonname_r, name, buf, len, result, err, herr);
}
