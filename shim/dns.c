/*
 * dns.c - name doors of <netdb.h>: before libc looks a name up, our module is put in the place of its DNS client
 *
 * The look-up itself is libc's, so there is nothing in these doors to differ from it; see src/dns.h.
 */
#include "../src/dns.h"
#include "door.h"
#include <netdb.h>
#include <nss.h>
#include <signal.h>

DOOR int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
	gr_dns_ready();
	return REAL(getaddrinfo)(node, service, hints, list);
}

DOOR int getaddrinfo_a(int mode, struct gaicb *list[], int n, struct sigevent *ev)
{
	gr_dns_ready();
	return REAL(getaddrinfo_a)(mode, list, n, ev);
}

DOOR int getnameinfo(const struct sockaddr *sa, socklen_t len, char *host, socklen_t hostlen, char *serv, socklen_t servlen, int flags)
{
	gr_dns_ready();
	return REAL(getnameinfo)(sa, len, host, hostlen, serv, servlen, flags);
}

DOOR struct hostent *gethostbyname(const char *name)
{
	gr_dns_ready();
	return REAL(gethostbyname)(name);
}

DOOR struct hostent *gethostbyname2(const char *name, int af)
{
	gr_dns_ready();
	return REAL(gethostbyname2)(name, af);
}

DOOR struct hostent *gethostbyaddr(const void *addr, socklen_t len, int af)
{
	gr_dns_ready();
	return REAL(gethostbyaddr)(addr, len, af);
}

DOOR int gethostbyname_r(const char *name, struct hostent *ret, char *buf, size_t len, struct hostent **result, int *herr)
{
	gr_dns_ready();
	return REAL(gethostbyname_r)(name, ret, buf, len, result, herr);
}

DOOR int gethostbyname2_r(const char *name, int af, struct hostent *ret, char *buf, size_t len, struct hostent **result, int *herr)
{
	gr_dns_ready();
	return REAL(gethostbyname2_r)(name, af, ret, buf, len, result, herr);
}

DOOR int gethostbyaddr_r(const void *addr, socklen_t alen, int af, struct hostent *ret, char *buf, size_t len, struct hostent **result,
			 int *herr)
{
	gr_dns_ready();
	return REAL(gethostbyaddr_r)(addr, alen, af, ret, buf, len, result, herr);
}

/* A program that chooses its services itself (getent -s) */
DOOR int __nss_configure_lookup(const char *database, const char *services)
{
	return gr_dns_configure_lookup(database, services);
}
