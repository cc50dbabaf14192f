/*
 * dns_answer.c - reading DNS messages (RFC 1035 4.1) and packing hosts
 *
 * Messages come from the network: every length is checked.  What is taken from them is what glibc takes: a CNAME's owner is not
 * compared with anything, an address must belong to the last CNAME's target, names that are no host names are not shown, and a
 * message that ends early is refused as a whole.
 */
#include "dns_answer.h"
#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

typedef unsigned char wire_name[NS_MAXCDNAME];	/* a name as in a message, but not compressed */

struct message {
	const unsigned char *msg, *end, *at;
	unsigned left;			/* records of the answer section not read yet */
	wire_name question;
};

struct record {
	wire_name owner;
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
static int unpack(const struct message *m, const unsigned char *p, wire_name name)
{
	return ns_name_unpack(m->msg, m->end, p, name, NS_MAXCDNAME);
}

static bool message_open(struct message *m, const struct gr_dns_reply *reply)
{
	int n;

	*m = (struct message){ .msg = reply->msg, .end = reply->msg + reply->len, .at = reply->msg + NS_HFIXEDSZ };
	if (reply->len < NS_HFIXEDSZ || get16(reply->msg + 4) != 1)
		return false;
	m->left = get16(reply->msg + 6);
	n = unpack(m, m->at, m->question);
	if (n < 0 || m->end - m->at < n + NS_QFIXEDSZ)
		return false;
	m->at += n + NS_QFIXEDSZ;
	return true;
}

/* 1, 0 at the end, -1 where the message stops making sense */
static int next_record(struct message *m, struct record *r)
{
	int n;

	if (!m->left)
		return 0;
	m->left--;
	n = unpack(m, m->at, r->owner);
	if (n < 0 || m->end - m->at < n + NS_RRFIXEDSZ)
		return -1;
	m->at += n;
	r->type = get16(m->at);
	r->class = get16(m->at + 2);
	r->ttl = get32(m->at + 4);
	r->len = get16(m->at + 8);
	r->data = m->at + NS_RRFIXEDSZ;
	if (m->end - r->data < (ptrdiff_t)r->len)
		return -1;
	m->at = r->data + r->len;
	return 1;
}

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 'a' - 'A') : c;
}

static bool same_name(const unsigned char *a, const unsigned char *b)
{
	for (;;) {
		unsigned n = *a;

		if (n != *b)
			return false;
		if (!n)
			return true;
		for (a++, b++; n; n--)
			if (lower(*a++) != lower(*b++))
				return false;
	}
}

/* As text; false when it is no host name.  Host names have no escapes, so they fit. */
static bool host_text(const unsigned char *name, char text[static NS_MAXCDNAME + 1])
{
	return ns_name_ntop(name, text, NS_MAXCDNAME + 1) >= 0 && res_hnok(text);
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

static enum nss_status broken(struct gr_dns_errors e)
{
	return say(e, NSS_STATUS_UNAVAIL, 0, NO_RECOVERY);
}

static void note_ttl(const struct record *r, unsigned type, int32_t *ttl)
{
	if (ttl && (r->type == ns_t_cname || r->type == type) && (uint32_t)*ttl > r->ttl)
		*ttl = (int32_t)r->ttl;
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

/* One answer's share of the list.  The first element of all has the canonical name. */
static enum nss_status tuples_of(const struct gr_dns_reply *reply, unsigned type, struct gr_dns_room *room, struct gr_dns_errors e,
				 struct gaih_addrtuple ***at, bool *named, int32_t *ttl)
{
	struct message m;
	struct record r;
	wire_name expected;
	char canon[NS_MAXCDNAME + 1], text[NS_MAXCDNAME + 1];
	bool any = false;
	int more;

	if (!message_open(&m, reply))
		return broken(e);
	if (!m.left || !host_text(m.question, canon))
		return say(e, NSS_STATUS_NOTFOUND, 0, HOST_NOT_FOUND);
	memcpy(expected, m.question, sizeof(expected));
	while ((more = next_record(&m, &r)) > 0) {
		struct gaih_addrtuple *t;

		if (r.class != ns_c_in)
			continue;
		note_ttl(&r, type, ttl);
		if (r.type == ns_t_cname) {
			if (unpack(&m, r.data, expected) < 0)
				return broken(e);
			if (host_text(expected, text))
				strcpy(canon, text);
			continue;
		}
		if (r.type != type || r.len != size_of(type) || !same_name(r.owner, expected))
			continue;
		t = new_tuple(room, at);
		if (!t || (!*named && !(t->name = take_string(room, canon))))
			return too_small(e);
		t->family = type == ns_t_a ? AF_INET : AF_INET6;
		memcpy(t->addr, r.data, r.len);
		*named = any = true;
	}
	if (more < 0)
		return broken(e);
	return any ? say(e, NSS_STATUS_SUCCESS, 0, NETDB_SUCCESS) : say(e, NSS_STATUS_NOTFOUND, 0, HOST_NOT_FOUND);
}

enum nss_status gr_dns_pack_tuples(const struct gr_dns_reply *reply, const int *type, unsigned n, struct gr_dns_room *room,
				   struct gr_dns_errors e, struct gaih_addrtuple **tuple, int32_t *ttl)
{
	enum nss_status status = NSS_STATUS_NOTFOUND;
	bool named = false;

	for (unsigned i = 0; i < n; i++) {
		enum nss_status s;

		if (!reply[i].len)
			continue;
		s = tuples_of(&reply[i], (unsigned)type[i], room, e, &tuple, &named, ttl);
		if (s == NSS_STATUS_TRYAGAIN)
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
	while (next_record(&m, &r) > 0) {
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

/* The names met so far become aliases, the last of them the host's name. */
static bool add_name(struct gr_dns_room *room, struct hostent *ret, unsigned *aliases, const unsigned char *name)
{
	char text[NS_MAXCDNAME + 1], *p;

	if (!host_text(name, text))
		return true;
	p = take_string(room, text);
	if (p && ret->h_name)
		ret->h_aliases[(*aliases)++] = ret->h_name;
	ret->h_name = p;
	return p != NULL;
}

enum nss_status gr_dns_pack_host(const struct gr_dns_reply *reply, int af, struct gr_dns_room *room, struct gr_dns_errors e,
				 struct hostent *ret, int32_t *ttl)
{
	unsigned type = af == AF_INET ? ns_t_a : ns_t_aaaa, aliases, addrs, a = 0, h = 0;
	struct message m;
	struct record r;
	wire_name expected;
	int more;

	if (!message_open(&m, reply))
		return broken(e);
	count_records(m, type, &aliases, &addrs);
	ret->h_name = NULL;
	if (!host_room(room, ret, aliases, addrs) || !add_name(room, ret, &a, m.question))
		return too_small(e);
	memcpy(expected, m.question, sizeof(expected));
	while ((more = next_record(&m, &r)) > 0) {
		if (r.class != ns_c_in)
			continue;
		note_ttl(&r, type, ttl);
		if (r.type == ns_t_cname) {
			if (unpack(&m, r.data, expected) < 0)
				return broken(e);
			if (!add_name(room, ret, &a, expected))
				return too_small(e);
		} else if (r.type == type && r.len == size_of(type) && same_name(r.owner, expected)) {
			ret->h_addr_list[h] = take(room, r.len, 8);
			if (!ret->h_addr_list[h])
				return too_small(e);
			memcpy(ret->h_addr_list[h++], r.data, r.len);
		}
	}
	if (more < 0)
		return broken(e);
	if (!h)
		return say(e, NSS_STATUS_NOTFOUND, ENOENT, NO_RECOVERY);
	ret->h_aliases[a] = ret->h_addr_list[h] = NULL;
	ret->h_addrtype = af;
	ret->h_length = (int)size_of(type);
	return say(e, NSS_STATUS_SUCCESS, 0, NETDB_SUCCESS);
}

/* --- addresses to names -------------------------------------------------------------------------------------------------------- */

static enum nss_status pack_one(const char *name, const void *addr, int len, int af, struct gr_dns_room *room, struct gr_dns_errors e,
				struct hostent *ret)
{
	if (!host_room(room, ret, 0, 1) || !(ret->h_addr_list[0] = take(room, (size_t)len, 8)) || !(ret->h_name = take_string(room, name)))
		return too_small(e);
	memcpy(ret->h_addr_list[0], addr, (size_t)len);
	ret->h_aliases[0] = ret->h_addr_list[1] = NULL;
	ret->h_addrtype = af;
	ret->h_length = len;
	return say(e, NSS_STATUS_SUCCESS, 0, NETDB_SUCCESS);
}

enum nss_status gr_dns_pack_name(const struct gr_dns_reply *reply, const void *addr, int len, int af, struct gr_dns_room *room,
				 struct gr_dns_errors e, struct hostent *ret, int32_t *ttl)
{
	struct message m;
	struct record r;
	wire_name expected, name;
	char text[NS_MAXCDNAME + 1];
	int more;

	if (!message_open(&m, reply))
		return broken(e);
	memcpy(expected, m.question, sizeof(expected));
	while ((more = next_record(&m, &r)) > 0) {
		if (r.class != ns_c_in || (r.type != ns_t_cname && r.type != ns_t_ptr) || !same_name(r.owner, expected))
			continue;
		if (unpack(&m, r.data, name) < 0 || (r.type == ns_t_ptr && !host_text(name, text)))
			return broken(e);
		note_ttl(&r, ns_t_ptr, ttl);
		if (r.type == ns_t_ptr)
			return pack_one(text, addr, len, af, room, e, ret);
		memcpy(expected, name, sizeof(expected));
	}
	return more < 0 ? broken(e) : say(e, NSS_STATUS_TRYAGAIN, ENOENT, NO_RECOVERY);
}
