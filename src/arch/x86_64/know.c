/*
 * know.c - run by the build: finds the sites of what is loaded in itself, libc and the libraries that grove needs, and writes known_texts.c
 *
 * Where what is built is for another machine it cannot run, and the table stays empty.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* dl_iterate_phdr */
#endif
#include "find.h"
#include "known.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

static char *rows;		/* of the table of texts: its sites stand before it */
static size_t rows_size;
static FILE *rows_file;

static void write_site(const struct gr_text *t, const struct gr_site *s)
{
	struct gr_known_site k = gr_known_pack(t, s);

	printf("\t{ %" PRIu32 ", %u, %u, %u, {", k.at, k.state, k.nbefore, k.nafter);
	for (unsigned i = 0; i < GR_KNOWN_MOVES; i++)
		printf(" { %u, %u, %u },", k.moves[i].len, k.moves[i].kind, k.moves[i].disp);
	printf(" } },\n");
}

static void write_row(const struct gr_known_text *k, unsigned number, unsigned n)
{
	fprintf(rows_file, "\t{ .sites = sites_%u, .n = %u, .offset = %" PRIu64 ", .size = %" PRIu64 ", .hash = %#" PRIx64 "u, .id = {",
		number, n, k->offset, k->size, k->hash);
	for (unsigned i = 0; i < GR_KNOWN_ID; i++)
		fprintf(rows_file, " %u,", k->id[i]);
	fprintf(rows_file, " } },\n");
}

static void write_text(const struct gr_text *t, struct gr_site *sites, size_t n)
{
	static unsigned number;
	struct gr_known_text k;
	unsigned real = 0;

	for (size_t i = 0; i < n; i++)
		real += sites[i].state != GR_SITE_NONE;
	if (!gr_known_describe(t, &k))
		return;
	printf("static const struct gr_known_site sites_%u[%u] = {\n", number, real + 1);
	for (size_t i = 0; i < n; i++)
		if (sites[i].state != GR_SITE_NONE)
			write_site(t, &sites[i]);
	printf("};\n\n");
	write_row(&k, number++, real);
}

static void look_at(const struct gr_text *t)
{
	size_t n = gr_sites_search(t, NULL, 0);
	struct gr_site *sites = calloc(n + 1, sizeof(*sites));
	uint8_t *filter = calloc(gr_sites_filter_size(t), 1);

	if (!sites || !filter)
		exit(1);
	gr_sites_search(t, sites, n);
	gr_sites_find(t, sites, n, filter);
	write_text(t, sites, n);
	free(sites);
	free(filter);
}

/* Not the program itself, and not the vdso */
static int visit(struct dl_phdr_info *o, size_t size, void *arg)
{
	(void)size, (void)arg;
	for (unsigned i = 0; i < o->dlpi_phnum && o->dlpi_name[0]; i++) {
		const ElfW(Phdr) *ph = &o->dlpi_phdr[i];
		const uint8_t *lo = (const uint8_t *)(o->dlpi_addr + ph->p_vaddr);
		struct gr_text t = { .lo = lo, .hi = lo + ph->p_filesz, .object = o };

		if (ph->p_type == PT_LOAD && (ph->p_flags & (PF_R | PF_W | PF_X)) == (PF_R | PF_X) &&
		    getauxval(AT_SYSINFO_EHDR) - (uintptr_t)o->dlpi_addr >= ph->p_vaddr + ph->p_memsz)
			look_at(&t);
	}
	return 0;
}

int main(void)
{
	rows_file = open_memstream(&rows, &rows_size);
	if (!rows_file)
		return 1;
	printf("/* Made by src/arch/x86_64/know.c */\n#include \"arch/x86_64/known.h\"\n\n");
	dl_iterate_phdr(visit, NULL);
	fclose(rows_file);
	printf("const struct gr_known_text gr_known_texts[] = {\n%s\t{ .size = 0 },\n};\n", rows);
	free(rows);
	return ferror(stdout) || fflush(stdout) != 0;
}
