/*
 * decode.c - how long an instruction is, and what else has to be known to move it or to see where it leads
 *
 * Zydis decodes everything.  But half of a program's start under grove was spent in it, and nearly all instructions around libc's calls
 * are of a few plain forms, which are taken apart here in a tenth of the time: opcodes whose length depends on prefix, ModRM and SIB
 * alone, and which are valid in every such form.  Whatever is not clearly one of them is left to Zydis.  The unit test decodes whole
 * libraries both ways.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* dl_phdr_info */
#endif
#include "find.h"

#include <string.h>

#define LONGEST		15	/* bytes of an instruction */

/* --- Zydis ------------------------------------------------------------------------------------------------------------------ */

static enum gr_insn_kind kind_of_branch(const uint8_t *p, unsigned len)
{
	if ((len == 2 && (p[0] & 0xf0) == 0x70) || (len == 6 && p[0] == 0x0f && (p[1] & 0xf0) == 0x80))
		return GR_INSN_JCC;
	if ((len == 2 && p[0] == 0xeb) || (len == 5 && p[0] == 0xe9))
		return GR_INSN_JMP;
	return GR_INSN_STAYS;
}

static enum gr_insn_kind kind_of(const uint8_t *p, const ZydisDecodedInstruction *in)
{
	if (in->raw.imm[0].is_relative)
		return kind_of_branch(p, in->length);
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_CALL: case ZYDIS_MNEMONIC_JMP:
	case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD: case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_SYSCALL: case ZYDIS_MNEMONIC_SYSENTER: case ZYDIS_MNEMONIC_SYSRET: case ZYDIS_MNEMONIC_SYSEXIT:
	case ZYDIS_MNEMONIC_INT: case ZYDIS_MNEMONIC_INT1: case ZYDIS_MNEMONIC_INT3:
	case ZYDIS_MNEMONIC_HLT: case ZYDIS_MNEMONIC_UD0: case ZYDIS_MNEMONIC_UD1: case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_XBEGIN: case ZYDIS_MNEMONIC_XABORT: case ZYDIS_MNEMONIC_ENDBR64: case ZYDIS_MNEMONIC_ENDBR32:
		return GR_INSN_STAYS;
	case ZYDIS_MNEMONIC_RET:
		return GR_INSN_RET;
	case ZYDIS_MNEMONIC_NOP:
		return GR_INSN_NOP;
	default:
		return (in->attributes & ZYDIS_ATTRIB_IS_RELATIVE) ? GR_INSN_RIP : GR_INSN_PLAIN;
	}
}

bool gr_decode_any(const ZydisDecoder *decoder, const uint8_t *p, const uint8_t *hi, struct gr_decoded *ret)
{
	ZydisDecodedInstruction in;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, NULL, p, (size_t)(hi - p), &in)))
		return false;
	*ret = (struct gr_decoded){ .insn = { in.length, (uint8_t)kind_of(p, &in), in.raw.disp.offset } };
	if (in.raw.imm[0].is_relative)
		ret->target = p + in.length + in.raw.imm[0].value.s;
	if (in.mnemonic == ZYDIS_MNEMONIC_LEA && (in.attributes & ZYDIS_ATTRIB_IS_RELATIVE))
		ret->table[0] = p + in.length + in.raw.disp.value;
	if (in.raw.disp.size == 32 && in.raw.modrm.mod == 0 && in.raw.modrm.rm == 4 && in.raw.sib.base == 5)
		ret->table[0] = (const uint8_t *)(intptr_t)in.raw.disp.value;
	if (in.mnemonic == ZYDIS_MNEMONIC_MOV && in.raw.imm[0].size >= 32)
		ret->table[1] = (const uint8_t *)(uintptr_t)in.raw.imm[0].value.u;
	return true;
}

/* --- the plain forms -------------------------------------------------------------------------------------------------------- */

/* What follows an opcode.  0: left to Zydis. */
#define ALONE	1		/* nothing */
#define MODRM	2
#define IMM8	4
#define IMM32	8		/* 16 bits with prefix 66 */
#define REG_4	16		/* MODRM.reg is 4 and more */
#define REG_0	32		/* it is 0 */
#define MEMORY	64		/* MODRM.mod is not 3 */

static const uint8_t one_byte[256] = {
#define ARITHMETIC(x) [x] = MODRM, [x + 1] = MODRM, [x + 2] = MODRM, [x + 3] = MODRM, [x + 4] = IMM8, [x + 5] = IMM32
	ARITHMETIC(0x00), ARITHMETIC(0x08), ARITHMETIC(0x10), ARITHMETIC(0x18),
	ARITHMETIC(0x20), ARITHMETIC(0x28), ARITHMETIC(0x30), ARITHMETIC(0x38),
	[0x50 ... 0x5f] = ALONE, [0x63] = MODRM, [0x68] = IMM32, [0x69] = MODRM | IMM32, [0x6a] = IMM8, [0x6b] = MODRM | IMM8,
	[0x80] = MODRM | IMM8, [0x81] = MODRM | IMM32, [0x83] = MODRM | IMM8, [0x84 ... 0x8b] = MODRM, [0x8d] = MODRM | MEMORY,
	[0x91 ... 0x99] = ALONE, [0xa8] = IMM8, [0xa9] = IMM32, [0xb0 ... 0xb7] = IMM8, [0xb8 ... 0xbf] = IMM32,
	[0xc0 ... 0xc1] = MODRM | IMM8, [0xc6] = MODRM | IMM8 | REG_0, [0xc7] = MODRM | IMM32 | REG_0, [0xc9] = ALONE,
	[0xd0 ... 0xd3] = MODRM,
};

/* After 0f: those that mean the same with no prefix and with 66 */
static const uint8_t two_bytes[256] = {
	[0x10 ... 0x11] = MODRM, [0x1f] = MODRM | REG_0, [0x28 ... 0x29] = MODRM, [0x40 ... 0x4f] = MODRM, [0x54 ... 0x59] = MODRM,
	[0x5c] = MODRM, [0x5e] = MODRM, [0x6e ... 0x6f] = MODRM, [0x7e ... 0x7f] = MODRM, [0x90 ... 0x9f] = MODRM, [0xa3] = MODRM, [0xab] = MODRM,
	[0xaf] = MODRM, [0xb1] = MODRM, [0xb6 ... 0xb7] = MODRM, [0xba] = MODRM | IMM8 | REG_4, [0xbe ... 0xbf] = MODRM, [0xc1] = MODRM, [0xef] = MODRM,
};

/* With a lock before it, on memory: or, add, sub, ... an immediate; inc and dec; cmpxchg, xadd */
static bool can_lock(const uint8_t *p)
{
	unsigned reg = p[1] >> 3 & 7;

	if (p[0] == 0x0f)
		return (p[1] == 0xb1 || p[1] == 0xc1) && p[2] >> 6 != 3;
	return p[1] >> 6 != 3 && (((p[0] == 0x81 || p[0] == 0x83) && reg != 7) || (p[0] == 0xff && reg < 2));
}

static int32_t int32_at(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, 4);
	return v;
}

static bool branch(const uint8_t *p, unsigned len, enum gr_insn_kind kind, struct gr_decoded *ret)
{
	ret->insn.len = (uint8_t)len;
	ret->insn.kind = (uint8_t)kind;
	ret->target = p + len + (len == 2 ? (int8_t)p[1] : int32_at(p + len - 4));
	return true;
}

static bool without_operands(unsigned len, enum gr_insn_kind kind, struct gr_decoded *ret)
{
	ret->insn.len = (uint8_t)len;
	ret->insn.kind = (uint8_t)kind;
	return true;
}

/* ModRM at p[at], and what belongs to it; returns where that ends. */
static unsigned operand(const uint8_t *p, unsigned at, struct gr_decoded *ret)
{
	unsigned mod = p[at] >> 6, rm = p[at] & 7;
	bool no_base = false;

	at++;
	if (mod == 3)
		return at;
	if (rm == 4)
		no_base = (p[at++] & 7) == 5 && mod == 0;
	if (mod == 0 && rm == 5) {
		ret->insn.kind = GR_INSN_RIP;
		ret->insn.disp = (uint8_t)at;
	}
	if (no_base)
		ret->table[0] = (const uint8_t *)(intptr_t)int32_at(p + at);
	if (mod == 1)
		return at + 1;
	return mod == 2 || no_base || rm == 5 ? at + 4 : at;
}

/* Opcodes that have their length to themselves; false: it is none of these. */
static bool special(const uint8_t *p, struct gr_decoded *ret)
{
	switch (p[0]) {
	case 0x70 ... 0x7f:
		return branch(p, 2, GR_INSN_JCC, ret);
	case 0xeb:
		return branch(p, 2, GR_INSN_JMP, ret);
	case 0xe9:
		return branch(p, 5, GR_INSN_JMP, ret);
	case 0xe8:
		return branch(p, 5, GR_INSN_STAYS, ret);
	case 0x90:
		return without_operands(1, GR_INSN_NOP, ret);
	case 0x66:
		return p[1] == 0x90 && without_operands(2, GR_INSN_NOP, ret);
	case 0xc3:
		return without_operands(1, GR_INSN_RET, ret);
	case 0x0f:
		if ((p[1] & 0xf0) == 0x80)
			return branch(p, 6, GR_INSN_JCC, ret);
		return p[1] == 0x05 && without_operands(2, GR_INSN_STAYS, ret);
	default:
		return false;
	}
}

/* Group 3: its first two take an immediate.  Group 5: increments, calls, jumps, push. */
static bool group(const uint8_t *p, unsigned at, bool word, struct gr_decoded *ret)
{
	unsigned opcode = p[at], reg = p[at + 1] >> 3 & 7, end = operand(p, at + 1, ret);

	if (opcode != 0xff) {
		ret->insn.len = (uint8_t)(end + (reg > 1 ? 0 : opcode == 0xf6 ? 1 : word ? 2 : 4));
		return true;
	}
	if (word || reg == 3 || reg == 5 || reg == 7)
		return false;
	if (reg == 2 || reg == 4)
		ret->insn.kind = GR_INSN_STAYS;
	ret->insn.len = (uint8_t)end;
	return true;
}

/* True: as Zydis would have it.  Reads LONGEST bytes at @p. */
bool gr_decode_plain(const uint8_t *p, struct gr_decoded *ret)
{
	unsigned at = 0, form, opcode;
	bool word, wide, lock, nop;

	*ret = (struct gr_decoded){ .insn = { .kind = GR_INSN_PLAIN } };
	if (special(p, ret))
		return true;
	at += p[at] == 0x64;			/* fs: */
	lock = p[at] == 0xf0;
	at += lock;
	word = p[at] == 0x66;
	at += word;
	wide = (p[at] & 0xf8) == 0x48;
	at += (p[at] & 0xf0) == 0x40;
	if ((word && wide) || (lock && !can_lock(p + at)))
		return false;
	opcode = p[at];
	if (opcode == 0xf6 || opcode == 0xf7 || opcode == 0xff)
		return group(p, at, word, ret);
	form = opcode == 0x0f ? two_bytes[p[++at]] : one_byte[opcode];
	nop = opcode == 0x0f && p[at] == 0x1f;
	at++;
	if (!form || ((form & MEMORY) && p[at] >> 6 == 3))
		return false;
	if (((form & REG_0) && (p[at] & 0x38) != 0) || ((form & REG_4) && (p[at] & 0x20) == 0))
		return false;
	if (form & MODRM)
		at = operand(p, at, ret);
	if (opcode == 0x8d && ret->insn.kind == GR_INSN_RIP)
		ret->table[0] = p + at + int32_at(p + ret->insn.disp);
	if (nop)
		ret->insn.kind = GR_INSN_NOP;
	if ((opcode & 0xf8) == 0xb8 && wide)
		return false;
	if (!word && (opcode == 0xc7 || (opcode & 0xf8) == 0xb8))
		ret->table[1] = (const uint8_t *)(intptr_t)int32_at(p + at);
	at += form & IMM8 ? 1 : form & IMM32 ? (word ? 2 : 4) : 0;
	ret->insn.len = (uint8_t)at;
	return true;
}

bool gr_decode(const struct gr_find *f, const uint8_t *p, const uint8_t *hi, struct gr_decoded *ret)
{
	if (hi - p >= LONGEST && gr_decode_plain(p, ret))
		return true;
	return gr_decode_any(&f->decoder, p, hi, ret);
}
