/*
 * test_known.c - the table of sites that the build made says of libc and the dynamic linker what searching them says, and of nothing else
 *
 * Links: known_texts.c, which the build makes; arch/x86_64/{known,sites,targets,functions,choose,decode}.c, Zydis
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "arch/x86_64/find.h"
#include "arch/x86_64/known.h"
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* The text of the object that @p lies in */
struct sought {
	uintptr_t p;
	struct dl_phdr_info object;
	struct gr_text text;
};

static bool is_text(const struct dl_phdr_info *o, unsigned i, uintptr_t p)
{
	const ElfW(Phdr) *ph = &o->dlpi_phdr[i];

	return ph->p_type == PT_LOAD && (ph->p_flags & PF_X) && p - (o->dlpi_addr + ph->p_vaddr) < ph->p_memsz;
}

static int visit(struct dl_phdr_info *o, size_t size, void *arg)
{
	struct sought *s = arg;

	(void)size;
	for (unsigned i = 0; i < o->dlpi_phnum; i++)
		if (is_text(o, i, s->p)) {
			const uint8_t *lo = (const uint8_t *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr);

			s->object = *o;
			s->text = (struct gr_text){ .lo = lo, .hi = lo + o->dlpi_phdr[i].p_filesz, .object = &s->object };
			return 1;
		}
	return 0;
}

static void seek(void *p, struct sought *ret)
{
	*ret = (struct sought){ .p = (uintptr_t)p };
	assert_int_equal(dl_iterate_phdr(visit, ret), 1);
}

static void *in_libc(void)
{
	return (void *)getppid;
}

static void *in_linker(void)
{
	return (void *)_r_debug.r_brk;		/* a function of its own, for debuggers */
}

/* Those of @t, in the order of the table, by searching */
static size_t search(const struct gr_text *t, struct gr_known_site **ret)
{
	size_t n = gr_sites_search(t, NULL, 0), real = 0;
	struct gr_site *sites = calloc(n + 1, sizeof(*sites));
	uint8_t *filter = calloc(gr_sites_filter_size(t), 1);

	*ret = calloc(n + 1, sizeof(**ret));
	gr_sites_search(t, sites, n);
	gr_sites_find(t, sites, n, filter);
	for (size_t i = 0; i < n; i++)
		if (sites[i].state != GR_SITE_NONE)
			(*ret)[real++] = gr_known_pack(t, &sites[i]);
	free(sites);
	free(filter);
	return real;
}

static void same_as_searched(void *p)
{
	struct gr_known_site *found;
	const struct gr_known_text *k;
	struct gr_site *sites;
	struct sought s;
	size_t n;

	seek(p, &s);
	k = gr_known(&s.text);
	if (!gr_known_texts[0].size)
		skip();		/* made on another machine */
	assert_non_null(k);
	n = search(&s.text, &found);
	assert_int_equal(k->n, n);
	sites = calloc(n, sizeof(*sites));
	gr_known_sites(k, &s.text, sites);
	for (size_t i = 0; i < n; i++) {
		struct gr_known_site again = gr_known_pack(&s.text, &sites[i]);

		assert_memory_equal(&k->sites[i], &found[i], sizeof(*found));
		assert_memory_equal(&again, &found[i], sizeof(*found));
		assert_true(sites[i].state != GR_SITE_MOVABLE || sites[i].before + sites[i].after + GR_SITE_SYSCALL >= GR_SITE_JUMP);
	}
	free(sites);
	free(found);
}

static void test_libc(void **state)
{
	(void)state;
	same_as_searched(in_libc());
}

static void test_linker(void **state)
{
	(void)state;
	same_as_searched(in_linker());
}

/* All that can be read of an object, at another address */
static uint8_t *copy_object(struct sought *s, size_t *ret_size)
{
	const struct dl_phdr_info *o = &s->object;
	size_t size = 0;
	uint8_t *copy;

	for (unsigned i = 0; i < o->dlpi_phnum; i++)
		if (o->dlpi_phdr[i].p_type == PT_LOAD)
			size = o->dlpi_phdr[i].p_vaddr + o->dlpi_phdr[i].p_memsz;
	copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(copy != MAP_FAILED);
	for (unsigned i = 0; i < o->dlpi_phnum; i++)
		if (o->dlpi_phdr[i].p_type == PT_LOAD && (o->dlpi_phdr[i].p_flags & PF_R))
			memcpy(copy + o->dlpi_phdr[i].p_vaddr, (const void *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr), o->dlpi_phdr[i].p_memsz);
	s->text.lo = copy + ((uintptr_t)s->text.lo - o->dlpi_addr);
	s->text.hi = copy + ((uintptr_t)s->text.hi - o->dlpi_addr);
	s->object.dlpi_addr = (uintptr_t)copy;
	*ret_size = size;
	return copy;
}

static uint8_t *find_bytes(uint8_t *p, size_t size, const uint8_t *bytes, size_t n)
{
	uint8_t *found = memmem(p, size, bytes, n);

	assert_non_null(found);
	return found;
}

/* Where nothing is changed it is known by whatever address; one byte of text or of the build id more or less, and it is not. */
static void test_changed(void **state)
{
	struct sought s;
	size_t size, text;
	uint8_t *copy, *id;

	(void)state;
	seek(in_libc(), &s);
	if (!gr_known_texts[0].size)
		skip();
	copy = copy_object(&s, &size);
	text = (size_t)(s.text.hi - s.text.lo);
	assert_non_null(gr_known(&s.text));
	for (size_t i = 0; i < 64; i++) {
		uint8_t *p = (uint8_t *)s.text.lo + i * (text - 1) / 63;

		*p ^= (uint8_t)(1u << i % 8);
		assert_null(gr_known(&s.text));
		*p ^= (uint8_t)(1u << i % 8);
	}
	s.text.keep_after = true;
	assert_null(gr_known(&s.text));
	s.text.keep_after = false;
	s.text.hi--;
	assert_null(gr_known(&s.text));
	s.text.hi++;
	assert_non_null(gr_known(&s.text));
	id = find_bytes(copy, GR_PAGE, gr_known(&s.text)->id, 8);
	id[7] ^= 1;
	assert_null(gr_known(&s.text));
	munmap(copy, size);
}

static void test_others(void **state)
{
	struct sought s;

	(void)state;
	seek((void *)test_others, &s);
	assert_null(gr_known(&s.text));
}

/* Wherever in the text it is, and once */
static void test_search(void **state)
{
	static uint8_t buf[300];

	(void)state;
	for (size_t lo = 0; lo < 70; lo++)
		for (size_t at = 0; at + 1 < sizeof(buf); at++) {
			struct gr_text t = { .lo = buf + lo, .hi = buf + sizeof(buf) - lo % 7 };
			bool inside = at >= lo && buf + at + 2 <= t.hi;
			struct gr_site s = { 0 };

			buf[at] = 0x0f;
			buf[at + 1] = 0x05;
			assert_int_equal(gr_sites_search(&t, &s, 1), inside);
			assert_ptr_equal(s.at, inside ? buf + at : NULL);
			buf[at] = buf[at + 1] = 0;
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libc),
		cmocka_unit_test(test_linker),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
