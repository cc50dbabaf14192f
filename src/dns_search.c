/*
 * dns_search.c - which server is asked for which name next
 *
 * The rules are those of resolver(3) and resolv.conf(5) as glibc applies them, down to which of several failures is reported.
 */
#include "dns_search.h"
#include "mem.h"
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options that change nothing here, or that are obeyed below or by c-ares */
#define KNOWN_OPTIONS \
	(RES_INIT | RES_USEVC | RES_IGNTC | RES_RECURSE | RES_DEFNAMES | RES_STAYOPEN | RES_DNSRCH | RES_NOALIASES | RES_ROTATE | \
	 RES_USE_EDNS0 | RES_SNGLKUP | RES_SNGLKUPREOP | RES_NOTLDQUERY | RES_NORELOAD | RES_TRUSTAD)

bool gr_dns_search_knows(const char *name)
{
	const struct __res_state *res = &_res;

	if (!(res->options & RES_INIT) || !(res->options & RES_RECURSE) || (res->options & ~(unsigned long)KNOWN_OPTIONS))
		return false;
	if (res->nscount < 1 || res->nsort || res->dnsrch[MAXDNSRCH - 1])	/* _res has room for six domains; libc knows the others */
		return false;
	return !getenv("HOSTALIASES") || !name || strchr(name, '.');
}

/* --- one question ------------------------------------------------------------------------------------------------------------ */

static void drop_replies(struct gr_dns_search *s)
{
	for (unsigned i = 0; i < s->parts; i++)
		gr_mem_free(s->reply[i].msg);
	memset(s->reply, 0, sizeof(s->reply));
}

void gr_dns_search_end(struct gr_dns_search *s)
{
	drop_replies(s);
}

static struct gr_dns_target target_of(const struct __res_state *res, int ns)
{
	struct gr_dns_target t = {
		.flags = (res->options & RES_USEVC ? GR_DNS_TCP : 0) | (res->options & RES_IGNTC ? GR_DNS_IGNTC : 0) |
			 (res->options & RES_USE_EDNS0 ? GR_DNS_EDNS : 0),
		.timeout = res->retrans << ns,
	};
	const struct sockaddr_in6 *in6 = res->_u._ext.nsaddrs[ns];

	if (ns > 0)
		t.timeout /= res->nscount;
	if (t.timeout < 1)
		t.timeout = 1;
	if (res->nsaddr_list[ns].sin_family == AF_INET || !in6) {
		memcpy(&t.addr, &res->nsaddr_list[ns], sizeof(struct sockaddr_in));
		t.addrlen = sizeof(struct sockaddr_in);
	} else {
		memcpy(&t.addr, in6, sizeof(*in6));
		t.addrlen = sizeof(*in6);
	}
	return t;
}

static unsigned count(const struct gr_dns_search *s, enum gr_dns_outcome outcome)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->parts; i++)
		n += s->reply[i].outcome == outcome;
	return n;
}

static int ask(struct gr_dns_search *s, const struct gr_dns_target *t, const char *name, bool single)
{
	int r = 0;

	drop_replies(s);
	if (!single)
		return gr_dns_ask(t, name, s->type, s->parts, s->reply);
	for (unsigned i = 0; i < s->parts && r == 0; i++) {
		r = gr_dns_ask(t, name, &s->type[i], 1, &s->reply[i]);
		if (s->reply[i].outcome == GR_DNS_TIMEOUT)
			break;		/* the time for both is over */
	}
	return r;
}

/* Some servers and firewalls lose the second of two questions sent together.  As libc does, ask one after the other from then on.
 * It remembers that in _flags: a change of the options would look like the program's doing, and resolv.conf would not be read again. */
static int ask_patiently(struct gr_dns_search *s, const struct gr_dns_target *t, const char *name)
{
	struct __res_state *res = &_res;
	unsigned long single = (res->options | res->_flags) & (RES_SNGLKUP | RES_SNGLKUPREOP);
	int r = ask(s, t, name, single);

	while (r == 0 && s->parts > 1 && count(s, GR_DNS_ANSWER) && count(s, GR_DNS_TIMEOUT) && !(single & RES_SNGLKUPREOP)) {
		single |= single & RES_SNGLKUP ? RES_SNGLKUPREOP : RES_SNGLKUP;
		res->_flags |= (unsigned)single;
		r = ask(s, t, name, true);
	}
	return r;
}

static unsigned first_server(const struct __res_state *res)
{
	static unsigned turn;

	return res->options & RES_ROTATE ? turn++ % (unsigned)res->nscount : 0;
}

/* 1: some server answered, if only that there is no such name.  0: none did.  -1: it makes no sense to go on. */
static int ask_around(struct gr_dns_search *s, const char *name)
{
	const struct __res_state *res = &_res;
	unsigned first = first_server(res);
	bool heard = false;

	for (int try = 0; try < res->retry; try++)
		for (int i = 0; i < res->nscount; i++) {
			struct gr_dns_target t = target_of(res, (int)((unsigned)i + first) % res->nscount);
			int r = ask_patiently(s, &t, name);

			if (r == 0 && count(s, GR_DNS_LOST))
				r = ask(s, &t, name, false);
			if (r < 0) {
				s->canceled = r == -ECANCELED;
				s->err = -r;
				s->herr = NETDB_INTERNAL;
				return -1;
			}
			if (count(s, GR_DNS_BAD_NAME)) {
				s->err = EMSGSIZE;
				s->herr = NO_RECOVERY;
				return -1;
			}
			if (count(s, GR_DNS_ANSWER))
				return 1;
			heard |= count(s, GR_DNS_TIMEOUT) || count(s, GR_DNS_REFUSAL);
			if (count(s, GR_DNS_REFUSAL))
				s->rcode = s->reply[s->reply[0].outcome != GR_DNS_REFUSAL].rcode;
		}
	s->err = heard ? ETIMEDOUT : ECONNREFUSED;
	s->herr = TRY_AGAIN;
	return 0;
}

static unsigned answers(const struct gr_dns_reply *r)
{
	return r->len ? (unsigned)r->msg[6] << 8 | r->msg[7] : 0;		/* ANCOUNT, RFC 1035 4.1.1 */
}

/* What two replies without an answer mean together */
static int verdict(unsigned rcode)
{
	switch (rcode) {
	case ns_r_nxdomain: return HOST_NOT_FOUND;
	case ns_r_servfail: return TRY_AGAIN;
	case ns_r_noerror:  return NO_DATA;
	}
	return NO_RECOVERY;
}

bool gr_dns_search_one(struct gr_dns_search *s, const char *name)
{
	const struct gr_dns_reply *one, *two;

	drop_replies(s);
	s->rcode = ns_r_noerror;
	if (ask_around(s, name) != 1)
		return false;
	one = s->reply[0].len ? &s->reply[0] : &s->reply[1];
	two = s->parts > 1 && s->reply[1].len ? &s->reply[1] : one;
	s->rcode = one->rcode;
	if ((one->rcode == ns_r_noerror && answers(one)) || (two->rcode == ns_r_noerror && answers(two)))
		return true;
	s->herr = verdict(one->rcode == ns_r_noerror ? two->rcode : one->rcode);
	return false;
}

/* --- the search list ----------------------------------------------------------------------------------------------------------- */

static bool in_domain(struct gr_dns_search *s, const char *name, const char *domain)
{
	char full[NS_MAXDNAME];

	if (snprintf(full, sizeof(full), "%s.%s", name, domain) < (int)sizeof(full))
		return gr_dns_search_one(s, full);
	s->herr = NO_RECOVERY;
	return false;
}

static bool as_is(struct gr_dns_search *s, const char *name)
{
	if (*name && strlen(name) < NS_MAXDNAME)
		return gr_dns_search_one(s, name);
	s->herr = NO_RECOVERY;
	return false;
}

struct tally {
	bool nodata, servfail, root;
};

/* True: found, or there is no point in going on at all.  False: *found tells nothing. */
static bool in_domains(struct gr_dns_search *s, const char *name, struct tally *seen, bool *found)
{
	const struct __res_state *res = &_res;

	for (int i = 0; i < MAXDNSRCH && res->dnsrch[i]; i++) {
		const char *domain = res->dnsrch[i] + (res->dnsrch[i][0] == '.');

		seen->root |= !*domain;
		*found = in_domain(s, name, domain);
		if (*found || s->canceled)
			return true;
		if (s->err == ECONNREFUSED) {
			s->herr = TRY_AGAIN;
			return true;
		}
		seen->nodata |= s->herr == NO_DATA;
		seen->servfail |= s->herr == TRY_AGAIN && s->rcode == ns_r_servfail;
		if (s->herr != NO_DATA && s->herr != HOST_NOT_FOUND && !(s->herr == TRY_AGAIN && s->rcode == ns_r_servfail))
			return false;
		if (!(res->options & RES_DNSRCH))
			return false;
	}
	return false;
}

bool gr_dns_search_name(struct gr_dns_search *s, const char *name)
{
	const struct __res_state *res = &_res;
	size_t len = strlen(name);
	bool absolute = len > 0 && name[len - 1] == '.', tried = false, searched, found;
	struct tally seen = { 0 };
	int first_herr = -1;
	unsigned dots = 0;

	s->err = 0;
	s->herr = HOST_NOT_FOUND;
	for (const char *p = name; *p; p++)
		dots += *p == '.';
	if (dots >= res->ndots || absolute) {
		if (as_is(s, name))
			return true;
		if (absolute || s->canceled)
			return false;
		first_herr = s->herr;
		tried = true;
	}
	searched = res->dnsrch[0] && (dots ? !absolute && (res->options & RES_DNSRCH) : (res->options & RES_DEFNAMES));
	if (searched && in_domains(s, name, &seen, &found))
		return found;
	if ((dots || !searched || !(res->options & RES_NOTLDQUERY)) && !tried && !seen.root && as_is(s, name))
		return true;
	if (first_herr != -1)
		s->herr = first_herr;
	else if (seen.nodata)
		s->herr = NO_DATA;
	else if (seen.servfail)
		s->herr = TRY_AGAIN;
	return false;
}
