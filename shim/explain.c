/*
 * explain.c - what a program and its libraries import from libc, and what grove does with each of these functions
 *
 * It looks at names only: a function that is imported may never be called, and one that is found by dlsym(3) or in a library
 * loaded later is not seen.
 */
#include "explain.h"
#include "functions.h"
#include "object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS	100
#define FEW	24		/* names shown of each kind, without =all */

struct import {
	const char *name;
	struct function f;
	const struct object *first;	/* who imports it: the program, else the first library, */
	size_t others;			/* and how many more */
};

struct imports {
	struct import *v;
	size_t n, room;
};

static const struct {
	const char *title, *means;
} kinds[WHATS] = {
	[PARKS] = { "park", "the thread waits, the others run" },
	[OFFLOADS] = { "offload", "made by another kernel thread where they may wait; the others run" },
	[OURS] = { "grove's own", "done by grove, without waiting" },
	[NOTES] = { "noted", "the kernel's; grove takes note" },
	[PASSES] = { "pass", "the kernel's or libc's as they are; they do not wait" },
	[REFUSES] = { "fail", "refused" },
};

static const struct {
	const char *names, *text;
} remarks[] = {
	{ "vfork", "until the child executes another program all threads stand still, as the kernel has it for one" },
	{ "dlopen dlmopen", "libraries that are loaded later are not looked at here; their calls are treated in the same way" },
	{ "syscall", "which system calls are made by number is not seen here; they are treated in the same way" },
	{ "pthread_setaffinity_np pthread_setschedparam pthread_setschedprio sched_setaffinity sched_setscheduler sched_setparam "
	  "nice setpriority",
	  "processors and priorities are those of the one kernel thread that all threads share" },
	{ "pthread_mutexattr_setprotocol", "no priority is inherited, as there is one kernel thread" },
	{ "pthread_getcpuclockid", "clocks of one thread's processor time show that of all threads together" },
	{ "pkey_set", "rights of memory protection keys are not kept for each thread" },
};

/* --- collecting ---------------------------------------------------------------------------------------------------------------- */

static bool defined_by_others(const struct objects *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (!all->v[i].libc && object_defines(&all->v[i], name))
			return true;
	return false;
}

static struct import *find(const struct imports *im, const char *name)
{
	for (size_t i = 0; i < im->n; i++)
		if (!strcmp(im->v[i].name, name))
			return &im->v[i];
	return NULL;
}

static void add(struct imports *im, const char *name, const struct object *by)
{
	struct import *known = find(im, name);

	if (known) {
		known->others += known->first != by;
		return;
	}
	if (im->n == im->room) {
		struct import *more = realloc(im->v, (im->room + 256) * sizeof(*more));

		if (!more)
			return;
		im->v = more;
		im->room += 256;
	}
	im->v[im->n++] = (struct import){ name, function_of(name), by, 0 };
}

static bool from_libc(const struct objects *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].libc && object_defines(&all->v[i], name))
			return true;
	return false;
}

static int by_name(const void *a, const void *b)
{
	const char *x = ((const struct import *)a)->name, *y = ((const struct import *)b)->name;
	int r = strcmp(x + strspn(x, "_"), y + strspn(y, "_"));

	return r ? r : strcmp(x, y);
}

/* Functions of libc's that the others import and that none of them has itself */
static struct imports collect(const struct objects *all)
{
	struct imports im = { NULL, 0, 0 };

	for (size_t i = 0; i < all->n; i++) {
		const struct object *o = &all->v[i];

		for (size_t k = 1; k < o->count && !o->libc; k++) {
			const char *name = o->symbols[k].st_shndx == SHN_UNDEF ? object_symbol(o, k) : NULL;
			unsigned type = ELF64_ST_TYPE(o->symbols[k].st_info);

			if (name && (type == STT_FUNC || type == STT_NOTYPE) && (find(&im, name) || (from_libc(all, name) &&
			    !defined_by_others(all, name))))
				add(&im, name, o);
		}
	}
	if (im.n)
		qsort(im.v, im.n, sizeof(*im.v), by_name);
	return im;
}

/* --- telling ------------------------------------------------------------------------------------------------------------------- */

static void count(const struct imports *im, size_t *ret)
{
	for (size_t i = 0; i < im->n; i++)
		ret[im->v[i].f.what]++;
}

static void names(const struct imports *im, enum what what)
{
	size_t column = 2, shown = 0;

	for (size_t i = 0; i < im->n && shown < FEW; i++) {
		size_t n = strlen(im->v[i].name);

		if (im->v[i].f.what != what)
			continue;
		if (shown++ && column + n + 1 > COLUMNS) {
			putchar('\n');
			column = 2;
		}
		printf("%s%s", column == 2 ? "  " : " ", im->v[i].name);
		column += n + 1;
	}
	putchar('\n');
}

static void by_whom(const struct import *i)
{
	printf("%s", i->first->name);
	if (i->others)
		printf(" and %zu more", i->others);
}

static void each(const struct imports *im, enum what what)
{
	for (size_t i = 0; i < im->n; i++) {
		const struct import *it = &im->v[i];

		if (it->f.what != what || (what == PASSES && !it->f.calls))
			continue;
		printf("  %-24s %s: %s  (", it->name, it->f.calls, it->f.how);
		by_whom(it);
		puts(")");
	}
}

static void tell_kind(const struct imports *im, enum what what, size_t n, bool all)
{
	if (!n)
		return;
	printf("\n%s: %zu function%s (%s)\n", kinds[what].title, n, n == 1 ? "" : "s", kinds[what].means);
	if (all) {
		each(im, what);
	} else if (what != PASSES) {
		names(im, what);
		if (n > FEW)
			printf("  and %zu more\n", n - FEW);
	}
}

struct tally {
	size_t of[1024], total;
};

static void tally(void *arg, int number)
{
	struct tally *t = arg;
	bool known = call_name(number) != NULL;

	t->total += known;
	t->of[number] += known;
}

/* System calls that the objects make themselves, without libc */
static void tell_raw(const struct objects *all)
{
	bool told = false;

	for (size_t i = 0; i < all->n; i++) {
		static struct tally t;

		t = (struct tally){ .total = 0 };
		if (!all->v[i].libc)
			object_calls(&all->v[i], tally, &t);
		if (!t.total)
			continue;
		if (!told)
			puts("\nsystem calls outside libc that tell their number (rewritten at the start, and treated like libc's)");
		told = true;
		printf("  %s: %zu (", all->v[i].name, t.total);
		for (int nr = 0, some = 0; nr < 1024; nr++)
			if (t.of[nr])
				printf("%s%s %zu", some++ ? ", " : "", call_name(nr), t.of[nr]);
		puts(")");
	}
}

static void tell_remarks(const struct objects *all, const struct imports *im)
{
	bool told = false;

	for (size_t i = 0; i < sizeof(remarks) / sizeof(remarks[0]); i++) {
		char words[512], *save = NULL, *word;

		strncpy(words, remarks[i].names, sizeof(words) - 1);
		words[sizeof(words) - 1] = '\0';
		for (word = strtok_r(words, " ", &save); word && !find(im, word); word = strtok_r(NULL, " ", &save))
			continue;
		if (!word)
			continue;
		printf("%s  %s: %s\n", told ? "" : "\nto be known\n", word, remarks[i].text);
		told = true;
	}
	if (all->v[0].executable_stack)
		printf("%s  executable stacks: threads have libc's stacks, not grove's small ones\n", told ? "" : "\nto be known\n");
}

static void tell_threads(const struct imports *im)
{
	const struct import *i = find(im, "pthread_create");

	if (!i)
		i = find(im, "thrd_create");
	if (!i) {
		puts("threads: none is made, as far as can be seen; there is nothing for grove to gain here");
		return;
	}
	printf("threads: made by ");
	by_whom(i);
	puts("; each becomes a greenlet");
}

int explain(const char *program, const char *linker, bool all)
{
	size_t n[WHATS] = { 0 };
	struct objects objects;
	struct imports im;

	if (!objects_find(program, linker, &objects)) {
		fprintf(stderr, "grove: %s: %s --list does not tell what it needs; is the file damaged?\n", program, linker);
		return 126;
	}
	if (objects.missing) {
		fprintf(stderr, "grove: %s: the library %s is not found; install it, or set LD_LIBRARY_PATH\n", program, objects.missing);
		return 127;
	}
	im = collect(&objects);
	count(&im, n);
	printf("%s: grove can run it, with %zu librar%s\n", program, objects.n - 1, objects.n == 2 ? "y" : "ies");
	tell_threads(&im);
	for (int what = PARKS; what < WHATS; what++)
		tell_kind(&im, (enum what)what, n[what], all);
	tell_raw(&objects);
	tell_remarks(&objects, &im);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
