/*
 * known.c - is a text one of those whose sites were found when grove was built?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* dl_phdr_info */
#endif
#include "known.h"
#include "find.h"

#include <elf.h>
#include <string.h>

#define LANES	8
#define EACH_LANE(i)	_Pragma("GCC unroll 8") for (unsigned i = 0; i < LANES; i++)

static inline uint64_t mix(uint64_t h, const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	h ^= word;
	return (h << 29 | h >> 35) * 0x9e3779b97f4a7c15u;
}

/* Eight lanes in registers, as a multiplication takes longer than to begin the next: a text of a megabyte takes a tenth of a millisecond.  A
 * word that differs always shows: with all others the same, mix() gives each another result. */
static uint64_t hash(const uint8_t *p, size_t size)
{
	uint64_t lane[LANES] = { 1, 2, 3, 4, 5, 6, 7, 8 }, h = size;
	uint8_t rest[sizeof(lane)] = { 0 };

	for (; size >= sizeof(lane); p += sizeof(lane), size -= sizeof(lane)) {
		__builtin_prefetch(p + GR_AHEAD);
		EACH_LANE(i)
			lane[i] = mix(lane[i], p + i * sizeof(*lane));
	}
	memcpy(rest, p, size);
	EACH_LANE(i)
		h = mix(h ^ mix(lane[i], rest + i * sizeof(*lane)), rest);
	return h;
}

/* In the notes at @p .. @p + @size */
static bool find_id(const uint8_t *p, size_t size, uint8_t *ret_id)
{
	ElfW(Nhdr) note;

	for (size_t name, desc; size >= sizeof(note); p += sizeof(note) + name + desc, size -= sizeof(note) + name + desc) {
		memcpy(&note, p, sizeof(note));
		name = (note.n_namesz + 3ul) & ~3ul;
		desc = (note.n_descsz + 3ul) & ~3ul;
		if (size - sizeof(note) < name + desc)
			return false;
		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || memcmp(p + sizeof(note), "GNU", 4) != 0)
			continue;
		if (note.n_descsz < 8 || note.n_descsz > GR_KNOWN_ID)
			return false;
		memset(ret_id, 0, GR_KNOWN_ID);
		memcpy(ret_id, p + sizeof(note) + name, note.n_descsz);
		return true;
	}
	return false;
}

static bool build_id(const struct dl_phdr_info *o, uint8_t *ret_id)
{
	for (unsigned i = 0; i < o->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &o->dlpi_phdr[i];
		const uint8_t *notes = (const uint8_t *)(o->dlpi_addr + ph->p_vaddr);

		if (ph->p_type == PT_NOTE && ph->p_align <= 4 && gr_object_reads(o, notes, ph->p_memsz) &&
		    find_id(notes, ph->p_memsz, ret_id))
			return true;
	}
	return false;
}

static bool begin(const struct gr_text *t, struct gr_known_text *ret)
{
	*ret = (struct gr_known_text){ .offset = (uint64_t)((uintptr_t)t->lo - t->object->dlpi_addr), .size = (uint64_t)(t->hi - t->lo) };
	return build_id(t->object, ret->id);
}

bool gr_known_describe(const struct gr_text *t, struct gr_known_text *ret)
{
	if (!begin(t, ret))
		return false;
	ret->hash = hash(t->lo, (size_t)ret->size);
	return true;
}

/* With other threads about, less may be moved than the table says. */
const struct gr_known_text *gr_known(const struct gr_text *t)
{
	const struct gr_known_text *k = gr_known_texts;
	struct gr_known_text it;

	if (!k || t->keep_after || !begin(t, &it))
		return NULL;
	for (; k->size; k++)
		if (k->size == it.size && k->offset == it.offset && memcmp(k->id, it.id, GR_KNOWN_ID) == 0)
			return k->hash == hash(t->lo, (size_t)it.size) ? k : NULL;
	return NULL;
}

static uint8_t bytes(const struct gr_insn *in, unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += in[i].len;
	return (uint8_t)sum;
}

void gr_known_sites(const struct gr_known_text *k, const struct gr_text *t, struct gr_site *sites)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct gr_known_site *from = &k->sites[i];
		struct gr_site *s = &sites[i];

		*s = (struct gr_site){ .at = t->lo + from->at, .state = from->state, .nbefore = from->nbefore, .nafter = from->nafter };
		memcpy(s->prev, from->moves, s->nbefore * sizeof(*s->prev));
		memcpy(s->next, from->moves + s->nbefore, s->nafter * sizeof(*s->next));
		s->before = bytes(s->prev, s->nbefore);
		s->after = bytes(s->next, s->nafter);
	}
}

struct gr_known_site gr_known_pack(const struct gr_text *t, const struct gr_site *s)
{
	struct gr_known_site k = { .at = (uint32_t)(s->at - t->lo), .state = (uint8_t)s->state };

	if (s->state != GR_SITE_MOVABLE)
		return k;
	k.nbefore = s->nbefore;
	k.nafter = s->nafter;
	memcpy(k.moves, s->prev, s->nbefore * sizeof(*s->prev));
	memcpy(k.moves + s->nbefore, s->next, s->nafter * sizeof(*s->next));
	return k;
}
