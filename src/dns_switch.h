/*
 * dns_switch.h - nsswitch.conf(5): the services of the hosts database, with our module in the place of `dns`
 *
 * Internal to dns*.c.
 */
#ifndef GR_DNS_SWITCH_H
#define GR_DNS_SWITCH_H

#include "base.h"

/* What follows the last `hosts:` in @text, copied to @ret_services; libc's default when there is none.  False: does not fit. */
bool gr_dns_switch_hosts(const char *text, char *ret_services, size_t size);

/* @services with each service called `dns` renamed; actions in brackets stay.  False: does not fit. */
bool gr_dns_switch_rename(const char *services, char *ret_renamed, size_t size);

#endif
