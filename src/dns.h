/*
 * dns.h - name look-ups: libc's own, with its DNS client replaced by c-ares on the hub
 *
 * getaddrinfo() and its family stay libc's: numeric addresses, services, /etc/hosts, AI_* flags, the order of addresses and the
 * EAI_ codes are its own code.  libc asks name service modules as nsswitch.conf says; we put a module of ours (libnss_grove.so.2,
 * shim/nss.c) in the place of `dns`.  It has libc's search rules and verdicts (dns_search.c, dns_nss.c), and leaves it to c-ares (dns.c)
 * to carry questions and answers, while the greenlet that asks is parked (dns_wait.c).  What the module does not know, odd resolver
 * options for one, it hands to libc's dns module, which the gate makes cooperative.
 */
#ifndef GR_DNS_H
#define GR_DNS_H

#include "base.h"

/* To be called before any of libc's look-up functions: puts our module in, and again when nsswitch.conf has changed.
 * Parks: no.  Does nothing on foreign kernel threads. */
GR_EXPORT void gr_dns_ready(void);

/* __nss_configure_lookup(3), with `dns` read as our module for the hosts database. */
GR_EXPORT int gr_dns_configure_lookup(const char *database, const char *services);

/* In a forked child: what the parent asked is its own affair, and its sockets are closed already. */
void gr_dns_fork_child(void);

#endif
