/*
 * test_dns.c - nsswitch.conf, which question goes to which server next, and what is read from answers
 *
 * Links: dns_switch.c dns_search.c dns_answer.c mem.c.  gr_dns_ask() is played by a script of the row, so nothing is sent.
 */
#include "dns_answer.h"
#include "dns_search.h"
#include "dns_switch.h"
#include "mem.h"
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <resolv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- nsswitch.conf ----------------------------------------------------------------------------------------------------------- */

static const struct conf_row {
	const char *text, *services;
} conf_rows[] = {
	{ "", "files dns" },
	{ "passwd: files\n", "files dns" },
	{ "hosts: files dns\n", " files dns" },
	{ "hosts:files", "files" },
	{ "  hosts\t:\tdns files\nnetworks: files\n", "\tdns files" },
	{ "#hosts: dns\nhosts: files\n", " files" },
	{ "hosts: files # dns\n", " files # dns" },
	{ "hosts: files\nhosts: dns\n", " dns" },
	{ "hostsfile: dns\nhosts dns\n", "files dns" },
	{ "\n\n\nhosts: a\n\n", " a" },
};

static void test_conf(void **state)
{
	char services[32];
	(void)state;

	for (size_t i = 0; i < GR_LENGTH(conf_rows); i++) {
		assert_true(gr_dns_switch_hosts(conf_rows[i].text, services, sizeof(services)));
		assert_string_equal(services, conf_rows[i].services);
	}
	assert_false(gr_dns_switch_hosts("hosts: files mdns4_minimal [NOTFOUND=return] dns\n", services, sizeof(services)));
}

static const struct rename_row {
	const char *services, *renamed;
} rename_rows[] = {
	{ "", "" },
	{ "files dns", "files grove" },
	{ "dns files", "grove files" },
	{ "files", "files" },
	{ "mdns dns4 mdns4_minimal", "mdns dns4 mdns4_minimal" },
	{ " files\tdns ", " files\tgrove " },
	{ "files dns[NOTFOUND=return]", "files grove[NOTFOUND=return]" },
	{ "files [!UNAVAIL=return] dns [ dns=x ] dns", "files [!UNAVAIL=return] grove [ dns=x ] grove" },
	{ "files [dns", "files [dns" },
};

static void test_rename(void **state)
{
	char renamed[80];
	(void)state;

	for (size_t i = 0; i < GR_LENGTH(rename_rows); i++) {
		assert_true(gr_dns_switch_rename(rename_rows[i].services, renamed, sizeof(renamed)));
		assert_string_equal(renamed, rename_rows[i].renamed);
	}
	assert_false(gr_dns_switch_rename("dns", renamed, 5));
	assert_true(gr_dns_switch_rename("dns", renamed, 6));
}

/* --- messages ------------------------------------------------------------------------------------------------------------------ */

struct bytes {
	unsigned char at[1024];
	int len;
};

static void put(struct bytes *b, const void *data, size_t n)
{
	memcpy(b->at + b->len, data, n);
	b->len += (int)n;
}

static void put16(struct bytes *b, unsigned n)
{
	put(b, (unsigned char[]){ (unsigned char)(n >> 8), (unsigned char)n }, 2);
}

static void put_name(struct bytes *b, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		put(b, (unsigned char[]){ (unsigned char)n }, 1);
		put(b, name, n);
		name += n + (name[n] == '.');
	}
	put(b, "", 1);
}

static void begin(struct bytes *b, unsigned rcode, unsigned answers, const char *name, unsigned type)
{
	b->len = 0;
	put16(b, 0x1234);
	put16(b, 0x8180 | rcode);
	put16(b, 1);
	put16(b, answers);
	put16(b, 0);
	put16(b, 0);
	put_name(b, name);
	put16(b, type);
	put16(b, ns_c_in);
}

static void put_record(struct bytes *b, const char *owner, unsigned type, const void *data, unsigned len)
{
	put_name(b, owner);
	put16(b, type);
	put16(b, ns_c_in);
	put16(b, 0);
	put16(b, 60);
	put16(b, len);
	put(b, data, len);
}

static void put_address(struct bytes *b, const char *owner, const char *address)
{
	int af = strchr(address, ':') ? AF_INET6 : AF_INET;
	unsigned char addr[16];

	assert_int_equal(inet_pton(af, address, addr), 1);
	put_record(b, owner, af == AF_INET ? ns_t_a : ns_t_aaaa, addr, af == AF_INET ? 4 : 16);
}

static void put_pointer(struct bytes *b, const char *owner, unsigned type, const char *target)
{
	struct bytes name = { .len = 0 };

	put_name(&name, target);
	put_record(b, owner, type, name.at, (unsigned)name.len);
}

static struct gr_dns_reply reply_of(struct bytes *b)
{
	return (struct gr_dns_reply){ .outcome = GR_DNS_ANSWER, .rcode = b->at[3] & 0xf, .len = b->len, .msg = b->at };
}

static void test_host(void **state)
{
	struct bytes b;
	struct gr_dns_reply reply;
	struct hostent h;
	char buf[512];
	int err = 0, herr = 0;
	int32_t ttl = 1000;
	(void)state;

	begin(&b, 0, 4, "a.test", ns_t_a);
	put_pointer(&b, "a.test", ns_t_cname, "b.test");
	put_pointer(&b, "b.test", ns_t_cname, "C.test");
	put_address(&b, "c.TEST", "192.0.2.1");
	put_address(&b, "a.test", "192.0.2.2");		/* not of the last in the chain */
	reply = reply_of(&b);
	for (size_t size = 0; size < sizeof(buf); size++) {
		struct gr_dns_room room = { buf, buf + size };
		enum nss_status status = gr_dns_pack_host(&reply, AF_INET, &room, (struct gr_dns_errors){ &err, &herr }, &h, &ttl);

		if (status == NSS_STATUS_SUCCESS) {
			assert_true(size > 40);
			assert_true(room.at <= room.end);
			assert_string_equal(h.h_name, "C.test");
			assert_string_equal(h.h_aliases[0], "a.test");
			assert_string_equal(h.h_aliases[1], "b.test");
			assert_null(h.h_aliases[2]);
			assert_memory_equal(h.h_addr_list[0], "\300\0\2\1", 4);
			assert_null(h.h_addr_list[1]);
			assert_int_equal(ttl, 60);
		} else {
			assert_int_equal(status, NSS_STATUS_TRYAGAIN);
			assert_int_equal(err, ERANGE);
			assert_int_equal(herr, NETDB_INTERNAL);
			assert_true(size < 200);
		}
	}
}

static void test_tuples(void **state)
{
	static const int types[] = { ns_t_a, ns_t_aaaa };
	struct bytes a, aaaa;
	struct gr_dns_reply reply[2];
	struct gaih_addrtuple first, *list = &first;
	_Alignas(8) char buf[512];
	struct gr_dns_room room = { buf, buf + sizeof(buf) };
	int err = 0, herr = 0;
	(void)state;

	begin(&a, 0, 2, "a.test", ns_t_a);
	put_address(&a, "a.test", "192.0.2.1");
	put_address(&a, "a.test", "192.0.2.2");
	begin(&aaaa, 0, 2, "a.test", ns_t_aaaa);
	put_pointer(&aaaa, "a.test", ns_t_cname, "b.test");
	put_address(&aaaa, "b.test", "2001:db8::1");
	reply[0] = reply_of(&a);
	reply[1] = reply_of(&aaaa);
	assert_int_equal(gr_dns_pack_tuples(reply, types, 2, &room, (struct gr_dns_errors){ &err, &herr }, &list, NULL),
			 NSS_STATUS_SUCCESS);
	assert_ptr_equal(list, &first);
	assert_string_equal(first.name, "a.test");
	assert_int_equal(first.next->family, AF_INET);
	assert_null(first.next->name);
	assert_int_equal(first.next->next->family, AF_INET6);
	assert_null(first.next->next->next);
}

/* Whatever is cut off, altered or repeated: an answer is refused or read, and nothing beyond it is touched (Valgrind, ASan). */
static void test_broken(void **state)
{
	static const int type = ns_t_a;
	struct bytes b;
	unsigned seed = 1;
	(void)state;

	begin(&b, 0, 3, "a.test", ns_t_a);
	put_pointer(&b, "a.test", ns_t_cname, "b.test");
	put_address(&b, "b.test", "192.0.2.1");
	put_pointer(&b, "a.test", ns_t_ptr, "c.test");
	for (int i = 0; i < 20000; i++) {
		int len = i < b.len ? i : b.len, err, herr;
		unsigned char *exact = malloc((size_t)len + !len);
		struct gr_dns_reply reply = { .len = len, .msg = exact };
		_Alignas(8) char buf[300];
		struct gr_dns_room room = { buf, buf + sizeof(buf) }, again = room, third = room;
		struct gr_dns_errors e = { &err, &herr };
		struct gaih_addrtuple *list = NULL;
		struct hostent h;

		memcpy(exact, b.at, (size_t)len);
		if (i >= b.len)
			for (int k = 0; k < 1 + i % 4; k++) {
				seed = seed * 1103515245 + 12345;
				exact[seed / 65536 % (unsigned)len] = (unsigned char)(seed >> 8);
			}
		gr_dns_pack_host(&reply, AF_INET, &room, e, &h, NULL);
		gr_dns_pack_name(&reply, "1234", 4, AF_INET, &again, e, &h, NULL);
		if (len)
			gr_dns_pack_tuples(&reply, &type, 1, &third, e, &list, NULL);
		free(exact);
	}
}

/* --- questions ------------------------------------------------------------------------------------------------------------------ */

/* What the servers do, in order: a answer, e empty answer, n no such name, s SERVFAIL, r REFUSED, t timeout, u unreachable */
static const char *plan;
static char asked[512];

int gr_dns_ask(const struct gr_dns_target *t, const char *name, const int *type, unsigned n, struct gr_dns_reply *ret)
{
	const struct sockaddr_in *in = (const void *)&t->addr;
	char line[128];

	snprintf(line, sizeof(line), "%s%u:%s/%d%s", *asked ? " " : "", ntohl(in->sin_addr.s_addr) & 255, name, t->timeout, n > 1 ? "+" : "");
	strcat(asked, line);
	memset(ret, 0, n * sizeof(*ret));
	for (unsigned i = 0; i < n; i++) {
		struct bytes b;
		char what = *plan ? *plan++ : 'u';

		ret[i].outcome = what == 't' ? GR_DNS_TIMEOUT : what == 'u' ? GR_DNS_UNREACHABLE :
				 what == 's' || what == 'r' ? GR_DNS_REFUSAL : GR_DNS_ANSWER;
		ret[i].rcode = what == 's' ? ns_r_servfail : what == 'r' ? ns_r_refused : what == 'n' ? ns_r_nxdomain : 0;
		if (ret[i].outcome != GR_DNS_ANSWER)
			continue;
		begin(&b, ret[i].rcode, what == 'a', name, (unsigned)type[i]);
		if (what == 'a')
			put_address(&b, name, type[i] == ns_t_a ? "192.0.2.1" : "2001:db8::1");
		ret[i].len = b.len;
		ret[i].msg = gr_mem_alloc((size_t)b.len);
		memcpy(ret[i].msg, b.at, (size_t)b.len);
	}
	return 0;
}

static const struct search_row {
	const char *when, *name, *plan;
	unsigned parts;
	unsigned long options;
	int servers, tries, ndots;
	const char *domains[3];
	const char *asked;
	bool found;
	int herr, err;
} search_rows[] = {
	{ "found at once",		"h.x", "aa", 2, 0, 1, 2, 1, { "d" }, "1:h.x/5+", true, 0, 0 },
	{ "one part is enough",		"h.x", "ea", 2, 0, 1, 2, 1, { "d" }, "1:h.x/5+", true, 0, 0 },
	{ "short name",			"h", "a", 1, 0, 1, 2, 1, { "d", "e" }, "1:h.d/5", true, 0, 0 },
	{ "second domain",		"h", "na", 1, 0, 1, 2, 1, { "d", "e" }, "1:h.d/5 1:h.e/5", true, 0, 0 },
	{ "then as it is",		"h", "nea", 1, 0, 1, 2, 1, { "d", "e" }, "1:h.d/5 1:h.e/5 1:h/5", true, 0, 0 },
	{ "nodata is remembered",	"h", "enn", 1, 0, 1, 2, 1, { "d", "e" }, "1:h.d/5 1:h.e/5 1:h/5", false, NO_DATA, 0 },
	{ "not as it is",		"h", "nn", 1, RES_NOTLDQUERY, 1, 2, 1, { "d", "e" }, "1:h.d/5 1:h.e/5", false, HOST_NOT_FOUND, 0 },
	{ "trailing dot",		"h.", "n", 1, 0, 1, 2, 1, { "d" }, "1:h./5", false, HOST_NOT_FOUND, 0 },
	{ "first the name itself",	"h.x", "enn", 1, 0, 1, 2, 1, { "d", "e" }, "1:h.x/5 1:h.x.d/5 1:h.x.e/5", false, NO_DATA, 0 },
	{ "ndots",			"h.x", "na", 1, 0, 1, 2, 2, { "d" }, "1:h.x.d/5 1:h.x/5", true, 0, 0 },
	{ "the root as a domain",	"h", "n", 1, 0, 1, 2, 1, { "." }, "1:h./5", false, HOST_NOT_FOUND, 0 },
	{ "next server on SERVFAIL",	"h.x", "sa", 1, 0, 2, 2, 1, { 0 }, "1:h.x/5 2:h.x/5", true, 0, 0 },
	{ "next server on timeout",	"h.x", "tta", 1, 0, 3, 2, 1, { 0 }, "1:h.x/5 2:h.x/3 3:h.x/6", true, 0, 0 },
	{ "all servers twice",		"h.x", "trtt", 1, 0, 2, 2, 1, { 0 }, "1:h.x/5 2:h.x/5 1:h.x/5 2:h.x/5", false, TRY_AGAIN, ETIMEDOUT },
	{ "nobody there",		"h.x", "uu", 1, 0, 1, 2, 1, { 0 }, "1:h.x/5 1:h.x/5", false, TRY_AGAIN, ECONNREFUSED },
	{ "nobody there: no search",	"h", "uu", 1, 0, 1, 2, 1, { "d", "e" }, "1:h.d/5 1:h.d/5", false, TRY_AGAIN, ECONNREFUSED },
	{ "SERVFAIL: next domain",	"h", "sa", 1, 0, 1, 1, 1, { "d", "e" }, "1:h.d/5 1:h.e/5", true, 0, ETIMEDOUT },
	{ "REFUSED: no more domains",	"h", "rn", 1, 0, 1, 1, 1, { "d", "e" }, "1:h.d/5 1:h/5", false, HOST_NOT_FOUND, ETIMEDOUT },
	{ "one failed, other found",	"h.x", "sa", 2, 0, 1, 2, 1, { 0 }, "1:h.x/5+", true, 0, 0 },
	{ "second lost: one by one",	"h.x", "ataa", 2, 0, 1, 2, 1, { 0 }, "1:h.x/5+ 1:h.x/5 1:h.x/5", true, 0, 0 },
	{ "and lost for good",		"h.x", "atatat", 2, 0, 1, 2, 1, { 0 }, "1:h.x/5+ 1:h.x/5 1:h.x/5 1:h.x/5 1:h.x/5", true, 0, 0 },
	{ "single-request",		"h.x", "ea", 2, RES_SNGLKUP, 1, 2, 1, { 0 }, "1:h.x/5 1:h.x/5", true, 0, 0 },
	{ "empty name",			"", "", 1, 0, 1, 2, 1, { 0 }, "", false, NO_RECOVERY, 0 },
};

static void configure(const struct search_row *row)
{
	struct __res_state *res = &_res;

	memset(res, 0, sizeof(*res));
	res->options = RES_INIT | RES_DEFAULT | row->options;
	res->nscount = row->servers;
	res->retrans = 5;
	res->retry = row->tries;
	res->ndots = (unsigned)row->ndots & 15;
	for (int i = 0; i < row->servers; i++)
		res->nsaddr_list[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001u + (unsigned)i) };
	for (int i = 0; i < 3; i++)
		res->dnsrch[i] = (char *)row->domains[i];
}

static void test_search(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(search_rows); i++) {
		const struct search_row *row = &search_rows[i];
		struct gr_dns_search s = { .type = { ns_t_a, ns_t_aaaa }, .parts = row->parts };
		bool found;

		configure(row);
		assert_true(gr_dns_search_knows(row->name));
		plan = row->plan;
		asked[0] = '\0';
		found = gr_dns_search_name(&s, row->name);
		if (found != row->found || strcmp(asked, row->asked) != 0 || (!found && s.herr != row->herr) || s.err != row->err)
			fail_msg("%s: found %d h_errno %d errno %d, asked %s", row->when, found, s.herr, s.err, asked);
		gr_dns_search_end(&s);
	}
	memset(&_res, 0, sizeof(_res));
}

static void test_knows(void **state)
{
	struct __res_state *res = &_res;
	(void)state;

	configure(&search_rows[0]);
	assert_true(gr_dns_search_knows("h"));
	res->options |= RES_NOAAAA;
	assert_false(gr_dns_search_knows("h"));
	configure(&search_rows[0]);
	res->nscount = 0;
	assert_false(gr_dns_search_knows("h"));
	configure(&search_rows[0]);
	res->nsort = 1;
	assert_false(gr_dns_search_knows("h"));
	configure(&search_rows[0]);
	setenv("HOSTALIASES", "/dev/null", 1);
	assert_false(gr_dns_search_knows("h"));
	assert_true(gr_dns_search_knows("h.x"));
	unsetenv("HOSTALIASES");
	memset(res, 0, sizeof(*res));
	assert_false(gr_dns_search_knows("h"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf), cmocka_unit_test(test_rename), cmocka_unit_test(test_host), cmocka_unit_test(test_tuples),
		cmocka_unit_test(test_broken), cmocka_unit_test(test_search), cmocka_unit_test(test_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
