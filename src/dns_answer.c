/*
 * dns_answer.c - reading DNS messages (RFC 1035 4.1) and packing hosts
 *
 * Messages come from the network: every length is checked, and names that are no host names are refused as libc refuses them.
 */
#include "dns_answer.h"
#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>
#include <strings.h>

#define NAME_SIZE	256	/* longer ones are no host names (RFC 1035 2.3.4) */

struct message {
	const unsigned char *msg, *end, *at;
	unsigned left;			/* records of the answer section not read yet */
	char question[NAME_SIZE];
};

struct record {
	char owner[NAME_SIZE];
	unsigned type, class;
	uint32_t ttl;
	const unsigned char *data;
	unsigned len;
};

static unsigned get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* The length of the name at @p as it stands in the message, or -1 */
static int expand(const struct message *m, const unsigned char *p, char name[static NAME_SIZE])
{
	return dn_expand(m->msg, m->end, p, name, NAME_SIZE);
}

static bool message_open(struct message *m, const struct gr_dns_reply *reply)
{
	int n;

	*m = (struct message){ .msg = reply->msg, .end = reply->msg + reply->len, .at = reply->msg + NS_HFIXEDSZ };
	if (reply->len < NS_HFIXEDSZ || get16(reply->msg + 4) != 1)
		return false;
	m->left = get16(reply->msg + 6);
	n = expand(m, m->at, m->question);
	if (n < 0 || m->end - m->at < n + NS_QFIXEDSZ)
		return false;
	m->at += n + NS_QFIXEDSZ;
	return true;
}

/* False at the end, and where the message stops making sense. */
static bool next_record(struct message *m, struct record *r)
{
	int n;

	if (!m->left)
		return false;
	m->left--;
	n = expand(m, m->at, r->owner);
	if (n < 0 || m->end - m->at < n + NS_RRFIXEDSZ)
		return false;
	m->at += n;
	r->type = get16(m->at);
	r->class = get16(m->at + 2);
	r->ttl = get32(m->at + 4);
	r->len = get16(m->at + 8);
	r->data = m->at + NS_RRFIXEDSZ;
	if (m->end - r->data < (ptrdiff_t)r->len)
		return false;
	m->at = r->data + r->len;
	return true;
}

static unsigned size_of(unsigned type)
{
	return type == ns_t_a ? NS_INADDRSZ : type == ns_t_aaaa ? NS_IN6ADDRSZ : 0;
}

/* --- room ------------------------------------------------------------------------------------------------------------------------ */

static void *take(struct gr_dns_room *room, size_t size, size_t align)
{
	char *p = (char *)(((uintptr_t)room->at + align - 1) & ~(uintptr_t)(align - 1));

	if (p > room->end || (size_t)(room->end - p) < size)
		return NULL;
	room->at = p + size;
	return p;
}

static char *take_string(struct gr_dns_room *room, const char *s)
{
	size_t size = strlen(s) + 1;
	char *p = take(room, size, 1);

	return p ? memcpy(p, s, size) : NULL;
}

static enum nss_status say(struct gr_dns_errors e, enum nss_status status, int err, int herr)
{
	if (err)
		*e.err = err;
	*e.herr = herr;
	return status;
}

static enum nss_status too_small(struct gr_dns_errors e)
{
	return say(e, NSS_STATUS_TRYAGAIN, ERANGE, NETDB_INTERNAL);
}

/* --- names to addresses -------------------------------------------------------------------------------------------------------- */

/* Follows a chain of CNAMEs: the name whose addresses count */
struct chain {
	char name[NAME_SIZE];
	bool moved;
};

/* True when @r is a link of the chain.  *bad: its target is no host name. */
static bool follow(struct chain *c, const struct message *m, const struct record *r, bool *bad)
{
	char target[NAME_SIZE];

	if (r->type != ns_t_cname || r->class != ns_c_in)
		return false;
	*bad = expand(m, r->data, target) < 0 || !res_hnok(target);
	if (*bad || strcasecmp(r->owner, c->name) != 0)
		return true;
	strcpy(c->name, target);
	return c->moved = true;
}

static struct gaih_addrtuple *new_tuple(struct gr_dns_room *room, struct gaih_addrtuple ***at)
{
	struct gaih_addrtuple *t = **at;

	if (!t)
		t = take(room, sizeof(*t), _Alignof(struct gaih_addrtuple));
	if (t) {
		*t = (struct gaih_addrtuple){ 0 };
		**at = t;
		*at = &t->next;
	}
	return t;
}

static enum nss_status tuples_of(const struct gr_dns_reply *reply, struct gr_dns_room *room, struct gr_dns_errors e,
				 struct gaih_addrtuple ***at, bool *named, int32_t *ttl)
{
	struct message m;
	struct record r;
	struct chain c = { .moved = false };
	bool any = false, bad = false;

	if (!message_open(&m, reply) || !res_hnok(m.question))
		return say(e, NSS_STATUS_UNAVAIL, 0, NO_RECOVERY);
	if (!m.left)
		return say(e, NSS_STATUS_NOTFOUND, 0, HOST_NOT_FOUND);
	strcpy(c.name, m.question);
	while (!bad && next_record(&m, &r)) {
		struct gaih_addrtuple *t;

		if (follow(&c, &m, &r, &bad) || r.class != ns_c_in || !size_of(r.type) || r.len != size_of(r.type) ||
		    strcasecmp(r.owner, c.name) != 0)
			continue;
		if (ttl && !any)
			*ttl = (int32_t)r.ttl;
		t = new_tuple(room, at);
		if (!t)
			return too_small(e);
		t->family = r.type == ns_t_a ? AF_INET : AF_INET6;
		memcpy(t->addr, r.data, r.len);
		if (!*named && !(t->name = take_string(room, c.moved ? c.name : r.owner)))
			return too_small(e);
		*named = any = true;
	}
	if (any)
		return say(e, NSS_STATUS_SUCCESS, 0, NETDB_SUCCESS);
	return c.moved ? say(e, NSS_STATUS_NOTFOUND, 0, HOST_NOT_FOUND) : say(e, NSS_STATUS_TRYAGAIN, 0, NETDB_INTERNAL);
}

enum nss_status gr_dns_pack_tuples(const struct gr_dns_reply *reply, unsigned n, struct gr_dns_room *room, struct gr_dns_errors e,
				   struct gaih_addrtuple **tuple, int32_t *ttl)
{
	enum nss_status status = NSS_STATUS_NOTFOUND;
	bool named = false;

	for (unsigned i = 0; i < n; i++) {
		enum nss_status s;

		if (!reply[i].len)
			continue;
		s = tuples_of(&reply[i], room, e, &tuple, &named, ttl);
		if (s == NSS_STATUS_TRYAGAIN && *e.err == ERANGE)
			return s;
		if (status != NSS_STATUS_SUCCESS && (i == 0 || s != NSS_STATUS_NOTFOUND))
			status = s;
	}
	if (status == NSS_STATUS_SUCCESS)
		*e.herr = NETDB_SUCCESS;
	return status;
}

/* How many aliases and addresses there can be at most */
static void count_records(struct message m, unsigned type, unsigned *aliases, unsigned *addrs)
{
	struct record r;

	*aliases = *addrs = 0;
	while (next_record(&m, &r)) {
		*aliases += r.type == ns_t_cname;
		*addrs += r.type == type && r.len == size_of(type);
	}
}

static bool host_room(struct gr_dns_room *room, struct hostent *ret, unsigned aliases, unsigned addrs)
{
	ret->h_aliases = take(room, (aliases + 1) * sizeof(char *), sizeof(char *));
	ret->h_addr_list = take(room, (addrs + 1) * sizeof(char *), sizeof(char *));
	return ret->h_aliases && ret->h_addr_list;
}

enum nss_status gr_dns_pack_host(const struct gr_dns_reply *reply, int af, struct gr_dns_room *room, struct gr_dns_errors e,
				 struct hostent *ret, int32_t *ttl)
{
	unsigned type = af == AF_INET ? ns_t_a : ns_t_aaaa, aliases, addrs, a = 0, h = 0;
	struct message m;
	struct record r;
	struct chain c = { .moved = false };
	bool bad = false;

	if (!message_open(&m, reply) || !res_hnok(m.question))
		return say(e, NSS_STATUS_UNAVAIL, 0, NO_RECOVERY);
	count_records(m, type, &aliases, &addrs);
	if (!host_room(room, ret, aliases, addrs))
		return too_small(e);
	strcpy(c.name, m.question);
	while (!bad && next_record(&m, &r)) {
		if (follow(&c, &m, &r, &bad)) {
			if (!bad && !(ret->h_aliases[a++] = take_string(room, r.owner)))
				return too_small(e);
			continue;
		}
		if (r.type != type || r.class != ns_c_in || r.len != size_of(type) || strcasecmp(r.owner, c.name) != 0)
			continue;
		if (h == 0 && ttl)
			*ttl = (int32_t)r.ttl;
		ret->h_addr_list[h] = take(room, r.len, 8);
		if (!ret->h_addr_list[h])
			return too_small(e);
		memcpy(ret->h_addr_list[h++], r.data, r.len);
	}
	if (!h)
		return say(e, a ? NSS_STATUS_NOTFOUND : NSS_STATUS_TRYAGAIN, ENOENT, NO_RECOVERY);
	ret->h_aliases[a] = ret->h_addr_list[h] = NULL;
	ret->h_addrtype = af;
	ret->h_length = (int)size_of(type);
	ret->h_name = take_string(room, c.name);
	return ret->h_name ? say(e, NSS_STATUS_SUCCESS, 0, NETDB_SUCCESS) : too_small(e);
}

/* --- addresses to names -------------------------------------------------------------------------------------------------------- */

enum nss_status gr_dns_pack_name(const struct gr_dns_reply *reply, const void *addr, int len, int af, struct gr_dns_room *room,
				 struct gr_dns_errors e, struct hostent *ret, int32_t *ttl)
{
	struct message m;
	struct record r;
	char owner[NAME_SIZE], name[NAME_SIZE];

	if (!message_open(&m, reply) || !res_dnok(m.question))
		return say(e, NSS_STATUS_UNAVAIL, 0, NO_RECOVERY);
	strcpy(owner, m.question);
	while (next_record(&m, &r)) {
		if (r.class != ns_c_in || (r.type != ns_t_cname && r.type != ns_t_ptr) || strcasecmp(r.owner, owner) != 0)
			continue;
		if (expand(&m, r.data, name) < 0 || !(r.type == ns_t_ptr ? res_hnok(name) : res_dnok(name)))
			break;
		if (r.type == ns_t_cname) {
			strcpy(owner, name);
			continue;
		}
		if (ttl)
			*ttl = (int32_t)r.ttl;
		if (!host_room(room, ret, 0, 1) || !(ret->h_addr_list[0] = take(room, (size_t)len, 8)) ||
		    !(ret->h_name = take_string(room, name)))
			return too_small(e);
		memcpy(ret->h_addr_list[0], addr, (size_t)len);
		ret->h_aliases[0] = ret->h_addr_list[1] = NULL;
		ret->h_addrtype = af;
		ret->h_length = len;
		return say(e, NSS_STATUS_SUCCESS, 0, NETDB_SUCCESS);
	}
	return say(e, NSS_STATUS_TRYAGAIN, ENOENT, NO_RECOVERY);
}
