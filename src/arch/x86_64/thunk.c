/*
 * thunk.c - the code that a rewritten site jumps to: what was moved aside for the jump, the call of the gate, and the way back
 */
#include "thunk.h"
#include "arch.h"

#include <string.h>

#define ALIGN		16
#define INT3		0xcc

/* Code of the thunk around the moved instructions: see arch.h */
static const uint8_t lea_down[] = { 0x48, 0x8d, 0x64, 0x24, 0x80 };			/* lea -128(%rsp), %rsp */
static const uint8_t lea_site[] = { 0x48, 0x8d, 0x0d };					/* lea rel32(%rip), %rcx */
static const uint8_t call_gate[] = { 0xff, 0x15 };					/* call *rel32(%rip) */
static const uint8_t lea_up[] = { 0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0 };		/* lea 128(%rsp), %rsp */
static const uint8_t raw_way[] = { 0xeb, 0x02, 0x0f, 0x05 };	/* jmp over the next; syscall: GR_THUNK_RAW after the call */
static const uint8_t jmp[] = { 0xe9 };							/* jmp rel32 */
#define FIXED		(sizeof(lea_down) + sizeof(lea_site) + 4 + sizeof(call_gate) + 4 + sizeof(lea_up) + sizeof(raw_way) + \
			 sizeof(jmp) + 4)

_Static_assert(sizeof(lea_up) + 2 == GR_THUNK_RAW, "gate.S returns to the second syscall of the thunk");
_Static_assert(GR_THUNK_FIRST >= sizeof(void *), "the pointer to the gate comes first");

/* Code being written, one instruction after another */
static uint8_t *put(uint8_t *to, const void *code, size_t n)
{
	memcpy(to, code, n);
	return to + n;
}

/* The last four bytes of an instruction, naming @target relative to its end */
static uint8_t *put_rel32(uint8_t *to, const void *target)
{
	int32_t rel = (int32_t)((intptr_t)target - (intptr_t)(to + 4));

	return put(to, &rel, 4);
}

static size_t moved_size(struct gr_insn in)
{
	return in.kind == GR_INSN_JCC ? 6 : in.kind == GR_INSN_JMP ? 5 : in.len;
}

size_t gr_thunk_size(const struct gr_site *s)
{
	size_t size = FIXED;

	for (unsigned i = 0; i < s->nbefore; i++)
		size += moved_size(s->prev[i]);
	for (unsigned i = 0; i < s->nafter; i++)
		size += moved_size(s->next[i]);
	return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* Where the branch @in at @from leads: its last bytes are a rel8 or a rel32. */
static const uint8_t *branch_target(const uint8_t *from, struct gr_insn in)
{
	int32_t rel;

	if (in.len == 2)
		return from + 2 + (int8_t)from[1];
	memcpy(&rel, from + in.len - 4, 4);
	return from + in.len + rel;
}

/* The instruction @in, now at @from, so that it does the same at @to */
static uint8_t *put_moved(uint8_t *to, const uint8_t *from, struct gr_insn in)
{
	uint8_t jcc[2] = { 0x0f, 0x80 | ((in.len == 2 ? from[0] : from[1]) & 0x0f) };
	int32_t disp;

	switch (in.kind) {
	case GR_INSN_JCC:
		return put_rel32(put(to, jcc, 2), branch_target(from, in));
	case GR_INSN_JMP:
		return put_rel32(put(to, jmp, sizeof(jmp)), branch_target(from, in));
	case GR_INSN_RIP:
		memcpy(&disp, from + in.disp, 4);
		disp += (int32_t)(from - to);
		put(to, from, in.len);
		memcpy(to + in.disp, &disp, 4);
		return to + in.len;
	default:
		return put(to, from, in.len);
	}
}

static void write_thunk(uint8_t *to, const struct gr_site *s, const void *gate)
{
	const uint8_t *after = s->at + GR_SITE_SYSCALL, *from = s->at - s->before;

	for (unsigned i = s->nbefore; i-- > 0; from += s->prev[i].len)
		to = put_moved(to, from, s->prev[i]);
	to = put(to, lea_down, sizeof(lea_down));
	to = put_rel32(put(to, lea_site, sizeof(lea_site)), after);
	to = put_rel32(put(to, call_gate, sizeof(call_gate)), gate);
	to = put(to, lea_up, sizeof(lea_up));
	to = put(to, raw_way, sizeof(raw_way));
	from = after;
	for (unsigned i = 0; i < s->nafter; from += s->next[i++].len)
		to = put_moved(to, from, s->next[i]);
	put_rel32(put(to, jmp, sizeof(jmp)), from);
}

/* Thunks for all movable sites, the pointer to the gate first; NULL when there is no memory near */
uint8_t *gr_thunks_write(const struct gr_text *t, const struct gr_site *sites, size_t n, size_t *ret_size)
{
	static const char *const gate = gr_gate;
	size_t size = GR_THUNK_FIRST;
	uint8_t *thunks, *to;

	for (size_t i = 0; i < n; i++)
		if (sites[i].state == GR_SITE_MOVABLE)
			size += gr_thunk_size(&sites[i]);
	size = gr_page_up(size);
	thunks = gr_map_near(t->object, size);
	if (!thunks)
		return NULL;
	memset(thunks, INT3, size);
	memcpy(thunks, &gate, sizeof(gate));
	to = thunks + GR_THUNK_FIRST;
	for (size_t i = 0; i < n; i++)
		if (sites[i].state == GR_SITE_MOVABLE) {
			write_thunk(to, &sites[i], thunks);
			to += gr_thunk_size(&sites[i]);
		}
	*ret_size = size;
	return thunks;
}
