/*
 * tls.c - renewing a thread's static and dynamic TLS
 */
#include "tls.h"
#include "../sched.h"
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MAX	4096u		/* struct pthread is 2304 bytes in glibc 2.36 */
#define MODULES		64
#define STATIC_MAX	65536		/* what is further away is not in the block every thread is born with */

/* A module's initial values, and where its variables lie from the FS base of every thread that had it at its birth */
struct module {
	ptrdiff_t at;
	const void *image;
	size_t image_size, size;
};

static struct tls {
	enum { UNKNOWN, RENEWS, CANNOT } state;
	void (*call_dtors)(void);	/* libc's, for C++ thread_local */
	ptrdiff_t keys_used;		/* where in struct pthread libc notes that the thread has set a key */
	unsigned long long changes;	/* how often a module had come or gone when they were last looked at */
	unsigned maps;			/* carrier->maps at that time */
	unsigned generation;		/* of what is known of them */
	bool late;			/* the variables of some may be anywhere, and only where a thread has used them */
	size_t n;
	struct module modules[MODULES];
} tls;

/* --- what libc keeps to itself ----------------------------------------------------------------------------------------------------- */

/* Is pthread_create() libc's own, or our door in front of it? */
static bool nobody_in_between(void)
{
	void *fn = dlsym(RTLD_DEFAULT, "pthread_create"), *real = dlsym(RTLD_NEXT, "pthread_create");
	Dl_info where;
	const char *name;

	if (!fn || !dladdr(fn, &where) || !where.dli_fname)
		return false;
	if (fn == real) {
		name = strrchr(where.dli_fname, '/');
		return strncmp(name ? name + 1 : where.dli_fname, "libc.", 5) == 0 ||
		       strncmp(name ? name + 1 : where.dli_fname, "libpthread", 10) == 0;
	}
	return strstr(where.dli_fname, "libgrove-shim.so") != NULL;
}

/*
 * libc notes in a byte of struct pthread that the thread has set a key.  Set one and see: the only byte that goes from 0 to 1, apart from the
 * 16 bytes of the key's own slot.
 */
static ptrdiff_t find_keys_used(const char *stack_top)
{
	char *self = (char *)gr_fs_self(), *before;
	size_t n = (size_t)(stack_top - self) < BLOCK_MAX ? (size_t)(stack_top - self) : BLOCK_MAX;
	ptrdiff_t found = 0;
	int candidates = 0;
	size_t slot = 0;
	pthread_key_t key;

	before = malloc(n);
	if (!before || pthread_key_create(&key, NULL) != 0) {
		free(before);
		return 0;
	}
	memcpy(before, self, n);
	pthread_setspecific(key, &key);
	for (size_t i = 0; i + sizeof(void *) <= n; i += sizeof(void *))
		if (*(void **)(self + i) == (void *)&key && *(void **)(before + i) == NULL)
			slot = i;
	for (size_t i = 0; slot && i < n; i++)
		if (before[i] == 0 && self[i] == 1 && !(i >= slot - 8 && i < slot + 8)) {
			found = (ptrdiff_t)i;
			candidates++;
		}
	pthread_setspecific(key, NULL);
	if (candidates == 1 && self[found] == 1)
		self[found] = 0;
	else
		found = 0;
	pthread_key_delete(key);
	free(before);
	return found;
}

/* --- modules ------------------------------------------------------------------------------------------------------------------------ */

static bool has_libc(const struct dl_phdr_info *info, size_t size)
{
	const char *data = info->dlpi_tls_data, *e = (const char *)&errno;

	return data && e >= data && e < data + size;
}

/* The TLS segment of @info, unless it is libc's */
static const ElfW(Phdr) *segment(const struct dl_phdr_info *info, size_t size)
{
	if (size < offsetof(struct dl_phdr_info, dlpi_tls_data) + sizeof(info->dlpi_tls_data))
		return NULL;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_TLS)
			return has_libc(info, info->dlpi_phdr[i].p_memsz) ? NULL : &info->dlpi_phdr[i];
	return NULL;
}

static int note_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	const ElfW(Phdr) *p = segment(info, size);
	ptrdiff_t at = p ? (char *)info->dlpi_tls_data - (char *)gr_fs_self() : 0;

	(void)arg;
	if (!p)
		return 0;
	if (!info->dlpi_tls_data || at >= 0 || at < -STATIC_MAX) {
		tls.late = true;
		return 0;
	}
	if (tls.n == MODULES)
		return 1;
	tls.modules[tls.n++] = (struct module){ at, (void *)(info->dlpi_addr + p->p_vaddr), p->p_filesz, p->p_memsz };
	return 0;
}

static int renew_late(struct dl_phdr_info *info, size_t size, void *arg)
{
	const ElfW(Phdr) *p = segment(info, size);

	(void)arg;
	if (!p || !info->dlpi_tls_data)
		return 0;
	memcpy(info->dlpi_tls_data, (void *)(info->dlpi_addr + p->p_vaddr), p->p_filesz);
	memset((char *)info->dlpi_tls_data + p->p_filesz, 0, p->p_memsz - p->p_filesz);
	return 0;
}

static int count_changes(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	*(unsigned long long *)arg = info->dlpi_adds + info->dlpi_subs;
	return 1;			/* every module knows: the first one will do */
}

static unsigned long long changes(void)
{
	unsigned long long n = 0;

	dl_iterate_phdr(count_changes, &n);
	return n;
}

/* Have modules come or gone?  libc takes locks to say so, and mappings by native threads we do not see. */
static bool changed(void)
{
	const struct gr_carrier *c = gr_carrier();
	unsigned maps = c->maps;

	if (GR_LIKELY(maps == tls.maps && !c->natives))
		return false;
	if (changes() != tls.changes)
		return true;
	tls.maps = maps;
	return false;
}

static void learn_modules(void)
{
	tls.maps = gr_carrier()->maps;
	tls.changes = changes();
	tls.generation++;
	tls.n = 0;
	tls.late = false;
	if (dl_iterate_phdr(note_module, NULL) != 0)
		tls.state = CANNOT;
}

static void renew_modules(void)
{
	char *self = (char *)gr_fs_self();

	if (GR_UNLIKELY(tls.late)) {
		dl_iterate_phdr(renew_late, NULL);
		return;
	}
	for (size_t i = 0; i < tls.n; i++) {
		const struct module *m = &tls.modules[i];

		memcpy(self + m->at, m->image, m->image_size);
		memset(self + m->at + m->image_size, 0, m->size - m->image_size);
	}
}

static void learn_libc(const char *stack_top)
{
	tls.state = CANNOT;
	tls.call_dtors = (void (*)(void))dlsym(RTLD_DEFAULT, "__call_tls_dtors");
	if (!tls.call_dtors || !nobody_in_between())
		return;
	tls.keys_used = find_keys_used(stack_top);
	if (tls.keys_used)
		tls.state = RENEWS;
}

unsigned gr_tls_learn(const char *stack_top)
{
	if (tls.state == UNKNOWN)
		learn_libc(stack_top);
	if (tls.state == RENEWS && (!tls.generation || changed()))
		learn_modules();
	return tls.generation;
}

bool gr_tls_renew(unsigned born)
{
	if (tls.state != RENEWS || *((char *)gr_fs_self() + tls.keys_used))
		return false;
	tls.call_dtors();
	if (*((char *)gr_fs_self() + tls.keys_used) || born != tls.generation || changed())
		return false;
	renew_modules();
	if (GR_UNLIKELY(uselocale((locale_t)0) != LC_GLOBAL_LOCALE))
		uselocale(LC_GLOBAL_LOCALE);
	errno = 0;
	h_errno = 0;
	return true;
}
