/*
 * memory.c - mappings, as far as they concern us: which memory is shared with others (futex.c), and new code to patch (gate.c)
 */
#include "green.h"
#include "rings.h"
#include "../arch/x86_64/arch.h"
#include "../gate.h"
#include "../map.h"
#include "../offload.h"
#include "../raw.h"
#include "../sched.h"
#include <errno.h>
#include <sys/mman.h>
#include <sys/shm.h>

static size_t whole_pages(size_t size)
{
	return (size + GR_PAGE - 1) & ~(size_t)(GR_PAGE - 1);
}

/* MAP_POPULATE reads a file before mmap() returns; that is done afterwards, by another kernel thread. */
static bool reads_file(int flags)
{
	return (flags & MAP_POPULATE) && !(flags & (MAP_ANONYMOUS | MAP_NONBLOCK));
}

static void read_in(uintptr_t addr, size_t size, int prot, int flags)
{
	bool copies = (flags & MAP_TYPE) == MAP_PRIVATE && (prot & PROT_WRITE);

	gr_offload_nointr(SYS_madvise, (long)addr, (long)whole_pages(size), copies ? MADV_POPULATE_WRITE : MADV_POPULATE_READ, 0, 0, 0);
}

long green_mmap(uintptr_t addr, size_t size, int prot, int flags, int fd, off_t at)
{
	struct gr_carrier *c = gr_carrier();
	bool later = GR_UNLIKELY(reads_file(flags));
	long r = raw(SYS_mmap, addr, size, prot, later ? flags & ~MAP_POPULATE : flags, fd, at);

	if (raw_failed(r))
		return r;
	if ((flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE)
		gr_map_add_shared((uintptr_t)r, whole_pages(size));
	else if (flags & MAP_FIXED)
		gr_map_remove((uintptr_t)r, whole_pages(size));
	if (!(flags & MAP_ANONYMOUS))
		gr_ring_mapped(fd, (uint64_t)at, (uintptr_t)r);
	if ((prot & PROT_EXEC) && !(flags & MAP_ANONYMOUS)) {
		c->maps++;
		c->loads_code = c->current;
	}
	if (later)
		read_in((uintptr_t)r, size, prot, flags);
	return r;
}

long green_munmap(uintptr_t addr, size_t size)
{
	long r = raw(SYS_munmap, addr, size);

	gr_carrier()->maps++;
	if (r == 0)
		gr_map_remove(addr, whole_pages(size));
	return r;
}

long green_mremap(uintptr_t from, size_t old_size, size_t new_size, int flags, uintptr_t to)
{
	bool shared = gr_map_is_shared(from);
	long r = raw(SYS_mremap, from, old_size, new_size, flags, to);

	if (raw_failed(r))
		return r;
	if (shared && old_size && !(flags & MREMAP_DONTUNMAP))
		gr_map_remove(from, whole_pages(old_size));
	if (shared)
		gr_map_add_shared((uintptr_t)r, whole_pages(new_size));
	else
		gr_map_remove((uintptr_t)r, whole_pages(new_size));
	return r;
}

long green_shmat(int id, uintptr_t addr, int flags)
{
	struct shmid_ds ds;
	long r = raw(SYS_shmat, id, addr, flags);

	if (!raw_failed(r) && raw(SYS_shmctl, id, IPC_STAT, &ds) == 0)
		gr_map_add_shared((uintptr_t)r, whole_pages(ds.shm_segsz));
	return r;
}

/*
 * The dynamic linker's last change to a library, after relocation and before its constructors, is to protect its RELRO part: the
 * library is in the list of loaded objects by then, and nobody has called it yet.
 */
long green_mprotect(uintptr_t addr, size_t size, int prot)
{
	struct gr_carrier *c = gr_carrier();
	long r = raw(SYS_mprotect, addr, size, prot);

	if (GR_UNLIKELY(c->loads_code == c->current) && c->gated && r == 0 && prot == PROT_READ) {
		c->loads_code = NULL;
		gr_with_vectors(gr_gate_patch);
	}
	return r;
}
