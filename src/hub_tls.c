/*
 * hub_tls.c - a TLS block for the hub: libraries there have an errno that nobody else has
 *
 * The hub runs between greenlets and, while a greenlet makes a child (green/spawn.c), beside a process that uses the main
 * thread's block.  So it gets a copy of that: the thread's descriptor and the variables down to libc's, which is all that libev
 * and c-ares touch.  Where the descriptor's size is not to be learnt the hub shares the main thread's.
 */
#include "hub.h"
#include "raw.h"
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGN		64u
#define AT_MOST		(1024u * 1024)	/* of the program's variables between libc's and the descriptor */

struct block {
	uintptr_t holds, lo;		/* an address in it; where it begins */
};

static size_t tls_size(const struct dl_phdr_info *info)
{
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_TLS)
			return info->dlpi_phdr[i].p_memsz;
	return 0;
}

static int find_block(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t lo = (uintptr_t)info->dlpi_tls_data;
	struct block *b = arg;

	(void)size;
	if (!lo || b->holds < lo || b->holds - lo >= tls_size(info))
		return 0;
	b->lo = lo;
	return 1;
}

/* glibc tells debuggers how long a thread's descriptor is. */
static size_t descriptor_size(void)
{
	const uint32_t *size = dlsym(RTLD_DEFAULT, "_thread_db_sizeof_pthread");

	if (!size)
		dlerror();
	return size ? *size : 0;
}

uintptr_t gr_hub_tls(uintptr_t fs)
{
	struct block libcs = { .holds = (uintptr_t)&errno };
	size_t above = descriptor_size(), below;
	uintptr_t *copy;
	long p;

	if (!above || !dl_iterate_phdr(find_block, &libcs) || libcs.lo >= fs || fs - libcs.lo > AT_MOST || fs % ALIGN)
		return fs;
	below = fs - (libcs.lo & ~(uintptr_t)(ALIGN - 1));
	p = raw(SYS_mmap, 0, below + above, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (raw_failed(p))
		return fs;
	memcpy((void *)p, (void *)(fs - below), below + above);
	copy = (uintptr_t *)((uintptr_t)p + below);
	copy[0] = copy[2] = (uintptr_t)copy;		/* tcbhead_t: tcb, self */
	return (uintptr_t)copy;
}
