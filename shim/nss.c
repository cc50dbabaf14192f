/*
 * nss.c - libnss_grove.so.2: what libc loads as the name service module `grove` (see src/dns.h)
 *
 * A library of its own because libc asks modules by their file's name; the work is done in libgrove.so.
 */
#include "dns_nss.h"

#define MODULE __attribute__((visibility("default"))) enum nss_status

MODULE _nss_grove_gethostbyname4_r(const char *name, struct gaih_addrtuple **tuple, char *buf, size_t len, int *err, int *herr, int32_t *ttl);
MODULE _nss_grove_gethostbyname3_r(const char *name, int af, struct hostent *ret, char *buf, size_t len, int *err, int *herr, int32_t *ttl,
				   char **canon);
MODULE _nss_grove_gethostbyname2_r(const char *name, int af, struct hostent *ret, char *buf, size_t len, int *err, int *herr);
MODULE _nss_grove_gethostbyname_r(const char *name, struct hostent *ret, char *buf, size_t len, int *err, int *herr);
MODULE _nss_grove_gethostbyaddr2_r(const void *addr, socklen_t alen, int af, struct hostent *ret, char *buf, size_t len, int *err,
				   int *herr, int32_t *ttl);
MODULE _nss_grove_gethostbyaddr_r(const void *addr, socklen_t alen, int af, struct hostent *ret, char *buf, size_t len, int *err, int *herr);
MODULE _nss_grove_getcanonname_r(const char *name, char *buf, size_t len, char **result, int *err, int *herr);

MODULE _nss_grove_gethostbyname4_r(const char *name, struct gaih_addrtuple **tuple, char *buf, size_t len, int *err, int *herr, int32_t *ttl)
{
	return gr_dns_gethostbyname4_r(name, tuple, buf, len, err, herr, ttl);
}

MODULE _nss_grove_gethostbyname3_r(const char *name, int af, struct hostent *ret, char *buf, size_t len, int *err, int *herr, int32_t *ttl,
				   char **canon)
{
	return gr_dns_gethostbyname3_r(name, af, ret, buf, len, err, herr, ttl, canon);
}

MODULE _nss_grove_gethostbyname2_r(const char *name, int af, struct hostent *ret, char *buf, size_t len, int *err, int *herr)
{
	return gr_dns_gethostbyname3_r(name, af, ret, buf, len, err, herr, NULL, NULL);
}

MODULE _nss_grove_gethostbyname_r(const char *name, struct hostent *ret, char *buf, size_t len, int *err, int *herr)
{
	return gr_dns_gethostbyname3_r(name, AF_INET, ret, buf, len, err, herr, NULL, NULL);
}

MODULE _nss_grove_gethostbyaddr2_r(const void *addr, socklen_t alen, int af, struct hostent *ret, char *buf, size_t len, int *err,
				   int *herr, int32_t *ttl)
{
	return gr_dns_gethostbyaddr2_r(addr, alen, af, ret, buf, len, err, herr, ttl);
}

MODULE _nss_grove_gethostbyaddr_r(const void *addr, socklen_t alen, int af, struct hostent *ret, char *buf, size_t len, int *err, int *herr)
{
	return gr_dns_gethostbyaddr2_r(addr, alen, af, ret, buf, len, err, herr, NULL);
}

MODULE _nss_grove_getcanonname_r(const char *name, char *buf, size_t len, char **result, int *err, int *herr)
{
	return gr_dns_getcanonname_r(name, buf, len, result, err, herr);
}
