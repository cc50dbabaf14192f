/*
 * patch.c - rewrite the `syscall` instructions of the loaded objects into jumps to the gate
 *
 * A text is never changed where it lies.  For each: thunks are written to fresh memory near it; then a second private mapping of
 * the same file is made, changed while it is writable and not executable, made executable and not writable, and moved over the
 * text by one mremap().  So a kernel that refuses any of it (SELinux's execmod, PR_SET_MDWE, a seccomp filter) refuses it on the
 * copy and nothing has happened yet; and no moment exists in which libc's code cannot be run by a signal handler, another thread,
 * or us.
 *
 * Where the file is gone or is not what was loaded (replaced by an upgrade, changed by a debugger), the pages that differ are
 * copied from the text, so the result is always the text as it was, plus the jumps.
 *
 * What has been done is remembered by address.  An address may come back with another object after dlclose(): the remembered jump
 * is then no longer there.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* dl_iterate_phdr, mremap */
#endif
#include "arch.h"
#include "known.h"
#include "thunk.h"
#include "../../raw.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define JMP		0xe9
#define INT3		0xcc
#define SITES_MOST_HAVE	1024		/* libc has half as many; what is not written to is not there */

/* --- one text ----------------------------------------------------------------------------------------------------------- */

/* Zeroed */
static void *map_anywhere(size_t size)
{
	long r = raw(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return raw_failed(r) ? NULL : (void *)r;
}

/* The pages of a text from its first site to its last, and the copy that will replace them */
struct swap {
	uintptr_t lo;
	size_t size;
	uint8_t *copy;
};

/* The file that @o was loaded from, if what has that name is long enough to be it; else -1 */
static int open_object(const struct dl_phdr_info *o, uint64_t needed)
{
	const char *name = o->dlpi_name[0] ? o->dlpi_name : "/proc/self/exe";
	int fd = (int)raw(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0)
		return -1;
	if (raw(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size >= needed)
		return fd;
	raw(SYS_close, fd);
	return -1;
}

/* Where in its file the page @page of @o is */
static uint64_t file_offset(const struct dl_phdr_info *o, uintptr_t page)
{
	for (unsigned i = 0; i < o->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &o->dlpi_phdr[i];
		uintptr_t lo = gr_page_down(o->dlpi_addr + ph->p_vaddr);

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) && page >= lo && page < o->dlpi_addr + ph->p_vaddr + ph->p_memsz)
			return gr_page_down(ph->p_offset) + (page - lo);
	}
	return 0;
}

static bool same_page(const uint64_t *a, const uint64_t *b)
{
	uint64_t differ = 0;

	for (unsigned i = 0; i < GR_PAGE / sizeof(*a); i++)
		differ |= a[i] ^ b[i];
	return differ == 0;
}

/* A writable copy of the pages in s->lo .. s->lo + s->size; of its file where possible, so that only the changed pages take memory
 * and debuggers and profilers still know what it is */
static int copy_text(const struct gr_text *t, struct swap *s)
{
	uint64_t off = file_offset(t->object, s->lo);
	int fd = open_object(t->object, off + s->size - (GR_PAGE - 1));
	int how = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_PRIVATE;
	long r = raw(SYS_mmap, 0, s->size, PROT_READ | PROT_WRITE, how, fd, fd < 0 ? 0 : off);

	if (fd >= 0)
		raw(SYS_close, fd);
	if (raw_failed(r))
		return (int)r;
	s->copy = (uint8_t *)r;
	for (size_t i = 0; i < s->size; i += GR_PAGE) {
		const void *text = (const void *)(s->lo + i);

		if (!same_page((const uint64_t *)(s->copy + i), text))
			memcpy(s->copy + i, text, GR_PAGE);
	}
	return 0;
}

static void write_jumps(const struct swap *s, const struct gr_site *sites, size_t n, const uint8_t *thunk)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t *lo = sites[i].at - sites[i].before;
		size_t size = sites[i].before + GR_SITE_SYSCALL + sites[i].after;
		uint8_t *to = s->copy + ((uintptr_t)lo - s->lo);
		int32_t rel = (int32_t)(thunk - (lo + GR_SITE_JUMP));

		if (sites[i].state != GR_SITE_MOVABLE)
			continue;
		*to = JMP;
		memcpy(to + 1, &rel, 4);
		memset(to + GR_SITE_JUMP, INT3, size - GR_SITE_JUMP);
		thunk += gr_thunk_size(&sites[i]);
	}
}

/* Replace the text by one with jumps; 0, or -errno and the text is as it was. */
static int swap_text(const struct gr_text *t, const struct gr_site *sites, size_t n, const uint8_t *thunks)
{
	struct swap s = { 0 };
	uintptr_t hi = 0;
	long r;

	for (size_t i = 0; i < n; i++)
		if (sites[i].state == GR_SITE_MOVABLE) {
			if (!s.lo)
				s.lo = gr_page_down((uintptr_t)(sites[i].at - sites[i].before));
			hi = gr_page_up((uintptr_t)(sites[i].at + GR_SITE_SYSCALL + sites[i].after));
		}
	s.size = hi - s.lo;
	r = copy_text(t, &s);
	if (r < 0)
		return (int)r;
	write_jumps(&s, sites, n, thunks + GR_THUNK_FIRST);
	r = raw(SYS_mprotect, s.copy, s.size, PROT_READ | PROT_EXEC);
	if (r == 0)
		r = raw(SYS_mremap, s.copy, s.size, s.size, MREMAP_MAYMOVE | MREMAP_FIXED, s.lo);
	if (raw_failed(r)) {
		raw(SYS_munmap, s.copy, s.size);
		return (int)r;
	}
	return 0;
}

static void count(const struct gr_site *sites, size_t n, bool done, struct gr_patch_stats *stats)
{
	unsigned of[GR_SITE_MOVABLE + 1] = { 0 };

	for (size_t i = 0; i < n; i++)
		of[sites[i].state]++;
	stats->sites += of[GR_SITE_KEPT] + of[GR_SITE_FAILED] + of[GR_SITE_MOVABLE];
	stats->objects += of[GR_SITE_KEPT] + of[GR_SITE_FAILED] + of[GR_SITE_MOVABLE] > 0;
	stats->kept += of[GR_SITE_KEPT];
	stats->patched += done ? of[GR_SITE_MOVABLE] : 0;
	stats->failed += of[GR_SITE_FAILED] + (done ? 0 : of[GR_SITE_MOVABLE]);
}

/* Write @sites' thunks and jumps */
static int rewrite(const struct gr_text *t, const struct gr_site *sites, size_t n, struct gr_rewritten *ret)
{
	size_t i = 0;
	int r;

	while (i < n && sites[i].state != GR_SITE_MOVABLE)
		i++;
	if (i == n)
		return 0;
	ret->thunks = gr_thunks_write(t, sites, n, &ret->size);
	if (!ret->thunks)
		return -ENOMEM;
	r = (int)raw(SYS_mprotect, ret->thunks, ret->size, PROT_READ | PROT_EXEC);
	if (r == 0)
		r = swap_text(t, sites, n, ret->thunks);
	if (r < 0) {
		raw(SYS_munmap, ret->thunks, ret->size);
		*ret = (struct gr_rewritten){ 0 };
		return r;
	}
	ret->jump = sites[i].at - sites[i].before;
	return 0;
}

/* Sites with their final states, in memory mapped for them */
struct found {
	struct gr_site *sites;
	size_t n;
	size_t size;		/* of the memory */
};

/* Those of the table that the build has made */
static int recall(const struct gr_text *t, const struct gr_known_text *k, struct found *ret)
{
	*ret = (struct found){ .n = k->n, .size = (k->n + 1) * sizeof(struct gr_site) };
	ret->sites = map_anywhere(ret->size);
	if (!ret->sites)
		return -ENOMEM;
	gr_known_sites(k, t, ret->sites);
	return 0;
}

static int find(const struct gr_text *t, struct found *ret)
{
	size_t room = SITES_MOST_HAVE;

	for (;;) {		/* once, but for texts with very many */
		ret->size = room * sizeof(struct gr_site) + gr_sites_filter_size(t);
		ret->sites = map_anywhere(ret->size);
		if (!ret->sites)
			return -ENOMEM;
		ret->n = gr_sites_search(t, ret->sites, room);
		if (ret->n <= room)
			break;
		raw(SYS_munmap, ret->sites, ret->size);
		room = ret->n;
	}
	if (ret->n > 0)
		gr_sites_find(t, ret->sites, ret->n, (uint8_t *)(ret->sites + room));
	return 0;
}

int gr_patch_text(const struct gr_text *t, struct gr_patch_stats *stats, struct gr_rewritten *ret)
{
	const struct gr_known_text *known = gr_known(t);
	struct found f;
	int r = known ? recall(t, known, &f) : find(t, &f);

	*ret = (struct gr_rewritten){ 0 };
	if (r < 0)
		return r;
	r = rewrite(t, f.sites, f.n, ret);
	count(f.sites, f.n, r == 0, stats);
	raw(SYS_munmap, f.sites, f.size);
	return r;
}

/* --- the loaded objects -------------------------------------------------------------------------------------------------- */

/* A text that has been looked at */
struct known {
	uintptr_t lo, hi;
	struct gr_rewritten done;
	bool seen;		/* in this pass */
};

/* Belongs to the process, not to a carrier: so does the text. */
static struct {
	struct known *texts;	/* mapped, doubled when full */
	size_t n, room;
	unsigned long long adds, subs;	/* the dynamic linker's counts of objects come and gone, when we last looked */
} memory;

struct pass {
	struct gr_patch_stats *stats;
	unsigned long long adds, subs;
	bool first, crowded;	/* the first time; there are other kernel threads */
	int err;		/* the first refusal */
};

static bool reserve(void)
{
	size_t room = memory.room ? 2 * memory.room : GR_PAGE / sizeof(struct known);
	struct known *bigger;

	if (memory.n < memory.room)
		return true;
	bigger = map_anywhere(room * sizeof(struct known));
	if (!bigger)
		return false;
	if (memory.texts) {
		memcpy(bigger, memory.texts, memory.n * sizeof(struct known));
		raw(SYS_munmap, memory.texts, memory.room * sizeof(struct known));
	}
	memory.texts = bigger;
	memory.room = room;
	return true;
}

static void forget(size_t i)
{
	if (memory.texts[i].done.thunks)
		raw(SYS_munmap, memory.texts[i].done.thunks, memory.texts[i].done.size);
	memory.texts[i] = memory.texts[--memory.n];
}

/* Still the text we know?  With a jump in it, the jump tells; without, nothing may have been unloaded since. */
static bool is_known(const struct gr_text *t, const struct pass *pass)
{
	for (size_t i = 0; i < memory.n; i++) {
		struct known *k = &memory.texts[i];
		const uint8_t *jump = k->done.jump;
		int32_t rel;

		if (k->lo != (uintptr_t)t->lo)
			continue;
		k->seen = k->hi == (uintptr_t)t->hi;
		if (k->seen && jump) {
			memcpy(&rel, jump + 1, 4);
			k->seen = *jump == JMP &&
				  (uintptr_t)(jump + GR_SITE_JUMP + rel - (uint8_t *)k->done.thunks) < k->done.size;
		} else if (k->seen) {
			k->seen = pass->subs == memory.subs;
		}
		if (k->seen)
			return true;
		forget(i);
		return false;
	}
	return false;
}

static bool covers(const struct dl_phdr_info *o, uintptr_t a)
{
	for (unsigned i = 0; i < o->dlpi_phnum; i++)
		if (o->dlpi_phdr[i].p_type == PT_LOAD && a - (o->dlpi_addr + o->dlpi_phdr[i].p_vaddr) < o->dlpi_phdr[i].p_memsz)
			return true;
	return false;
}

static bool is_left_alone(const struct dl_phdr_info *o)
{
	static const char shim[] = "libgrove-shim";
	const char *slash = strrchr(o->dlpi_name, '/'), *name = slash ? slash + 1 : o->dlpi_name;
	uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);

	return (vdso && covers(o, vdso)) || covers(o, (uintptr_t)gr_patch_loaded) || strncmp(name, shim, sizeof(shim) - 1) == 0;
}

static void visit_text(struct pass *pass, const struct gr_text *t)
{
	struct known k = { .lo = (uintptr_t)t->lo, .hi = (uintptr_t)t->hi, .seen = true };
	int r;

	if (is_known(t, pass))
		return;
	r = reserve() ? gr_patch_text(t, pass->stats, &k.done) : -ENOMEM;
	if (r < 0 && !pass->err)
		pass->err = r;
	if (memory.n < memory.room)
		memory.texts[memory.n++] = k;
}

static int visit(struct dl_phdr_info *o, size_t size, void *arg)
{
	struct pass *pass = arg;

	(void)size;
	pass->adds = o->dlpi_adds;
	pass->subs = o->dlpi_subs;
	if (!pass->first && pass->adds == memory.adds)
		return 1;
	if (is_left_alone(o))
		return 0;
	for (unsigned i = 0; i < o->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &o->dlpi_phdr[i];
		const uint8_t *lo = (const uint8_t *)(o->dlpi_addr + ph->p_vaddr);
		struct gr_text t = { lo, lo + ph->p_filesz, o, pass->first && pass->crowded };

		/* Text that writes itself stays as it is: it would have to be writable and executable. */
		if (ph->p_type == PT_LOAD && (ph->p_flags & (PF_R | PF_W | PF_X)) == (PF_R | PF_X))
			visit_text(pass, &t);
	}
	return 0;
}

/* Kernel threads that may be waiting in a call made before the gate was there */
static bool has_other_threads(void)
{
	struct stat st;

	return raw(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0) == 0 && st.st_nlink > 3;
}

int gr_patch_loaded(struct gr_patch_stats *stats)
{
	struct pass pass = { .stats = stats, .first = memory.room == 0, .crowded = has_other_threads() };
	unsigned patched = stats->patched;

	for (size_t i = 0; i < memory.n; i++)
		memory.texts[i].seen = false;
	if (dl_iterate_phdr(visit, &pass) != 0)
		return 0;
	for (size_t i = memory.n; i-- > 0;)
		if (!memory.texts[i].seen)
			forget(i);
	memory.adds = pass.adds;
	memory.subs = pass.subs;
	return stats->patched == patched ? pass.err : 0;
}
