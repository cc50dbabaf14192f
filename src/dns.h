/*
 * dns.h - name look-ups on the hub, by c-ares; the only file that includes ares.h is dns.c
 *
 * Used when nsswitch.conf's hosts: line names nothing but files and dns; otherwise the doors call libc's own resolver, which the
 * gate makes cooperative.
 */
#ifndef GR_DNS_H
#define GR_DNS_H

#include "base.h"
#include <netdb.h>
#include <sys/socket.h>

/* Can c-ares stand in for libc's resolver here?  Reads nsswitch.conf (again when it changed). */
bool gr_dns_usable(void);

/* Results, order and EAI_ codes as getaddrinfo(3) of glibc; *ret_list is to be freed by libc's freeaddrinfo().  Parks: yes. */
GR_EXPORT int gr_dns_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret_list);
GR_EXPORT int gr_dns_getnameinfo(const struct sockaddr *sa, socklen_t salen, char *host, socklen_t hostlen, char *serv, socklen_t servlen,
				 int flags);

/* gethostbyname2_r / gethostbyaddr_r as glibc has them: 0 or an error number; *ret_h_errno set. */
GR_EXPORT int gr_dns_gethostbyname2_r(const char *name, int af, struct hostent *ret, char *buf, size_t buflen, struct hostent **result,
				      int *ret_h_errno);
GR_EXPORT int gr_dns_gethostbyaddr_r(const void *addr, socklen_t len, int af, struct hostent *ret, char *buf, size_t buflen,
				     struct hostent **result, int *ret_h_errno);

void gr_dns_fork_child(void);

#endif
