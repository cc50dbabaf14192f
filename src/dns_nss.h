/*
 * dns_nss.h - the functions of a name service module for hosts, as libc calls them; libnss_grove.so.2 passes them on to here
 *
 * Arguments and results are those of glibc's <nss.h>.
 */
#ifndef GR_DNS_NSS_H
#define GR_DNS_NSS_H

#include "base.h"
#include <netdb.h>
#include <nss.h>

GR_EXPORT enum nss_status gr_dns_gethostbyname4_r(const char *name, struct gaih_addrtuple **tuple, char *buf, size_t len, int *err, int *herr,
						  int32_t *ttl);
GR_EXPORT enum nss_status gr_dns_gethostbyname3_r(const char *name, int af, struct hostent *ret, char *buf, size_t len, int *err, int *herr,
						  int32_t *ttl, char **canon);
GR_EXPORT enum nss_status gr_dns_gethostbyaddr2_r(const void *addr, socklen_t alen, int af, struct hostent *ret, char *buf, size_t len,
						  int *err, int *herr, int32_t *ttl);
GR_EXPORT enum nss_status gr_dns_getcanonname_r(const char *name, char *buf, size_t len, char **result, int *err, int *herr);

#endif
