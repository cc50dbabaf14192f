/*
 * test_decode.c - the quick decoder says of every byte of libc what Zydis says, or nothing
 *
 * From each byte, not from each instruction: what it is given in text without an FDE may begin anywhere.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "arch/x86_64/find.h"
#include "tools.h"
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LONGEST 15

static ZydisDecoder decoder;
static unsigned long plain, others, instructions, plain_instructions;

static bool same(const struct gr_decoded *a, const struct gr_decoded *b)
{
	return a->insn.len == b->insn.len && a->insn.kind == b->insn.kind && a->target == b->target && a->table[0] == b->table[0] &&
	       a->table[1] == b->table[1] && (a->insn.kind != GR_INSN_RIP || a->insn.disp == b->insn.disp);
}

static void fail_at(const uint8_t *p)
{
	char bytes[3 * LONGEST + 1];

	for (unsigned i = 0; i < LONGEST; i++)
		sprintf(bytes + 3 * i, "%02x ", p[i]);
	fail_msg("decoded otherwise: %s", bytes);
}

/* True when it is an instruction at all, and then *ret_len */
static bool compare(const uint8_t *p, unsigned *ret_len)
{
	struct gr_decoded quick, zydis;
	bool is_plain = gr_decode_plain(p, &quick), is_one = gr_decode_any(&decoder, p, p + LONGEST, &zydis);

	if (is_plain && (!is_one || !same(&quick, &zydis)))
		fail_at(p);
	plain += is_plain;
	others += is_one && !is_plain;
	*ret_len = is_one ? zydis.insn.len : 1;
	return is_plain;
}

static int each_byte(struct dl_phdr_info *o, size_t size, void *arg)
{
	unsigned step = RUNNING_ON_VALGRIND ? 101 : 1, len;

	(void)size, (void)arg;
	for (unsigned i = 0; i < o->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &o->dlpi_phdr[i];
		const uint8_t *lo = (const uint8_t *)(o->dlpi_addr + ph->p_vaddr), *p = lo;

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X) || !(ph->p_flags & PF_R) || !strstr(o->dlpi_name, "libc.so"))
			continue;
		for (; p + LONGEST <= lo + ph->p_filesz; p += step)
			compare(p, &len);
		for (p = lo; p + LONGEST <= lo + ph->p_filesz / step; p += len) {
			plain_instructions += compare(p, &len);
			instructions++;
		}
	}
	return 0;
}

static void test_every_byte_of_libc(void **state)
{
	(void)state;
	dl_iterate_phdr(each_byte, NULL);
	assert_true(instructions > 1000);
	assert_true(plain_instructions > instructions / 10 * 8);	/* else it would not be worth while */
	print_message("%lu places decoded the quick way, %lu left to Zydis; of libc's instructions %lu of %lu\n", plain, others,
		      plain_instructions, instructions);
}

/* Every opcode of one and two bytes with all prefixes and operands, whether a compiler makes them or not */
static void test_every_opcode(void **state)
{
	static const uint8_t prefixes[][2] = { { 0 }, { 0x66 }, { 0x48 }, { 0x41 }, { 0x4f }, { 0x66, 0x48 }, { 0x66, 0x41 }, { 0x48, 0x66 },
					       { 0xf2 }, { 0xf3 }, { 0xf0 }, { 0x67 }, { 0x2e }, { 0x64 }, { 0xf3, 0x48 }, { 0x40 },
					       { 0xf0, 0x48 }, { 0xf0, 0x66 }, { 0x64, 0x48 }, { 0x64, 0x66 }, { 0x64, 0xf0 }, { 0xf0, 0x64 } };
	unsigned len, step = RUNNING_ON_VALGRIND ? 29 : 1;

	(void)state;
	for (size_t k = 0; k < GR_LENGTH(prefixes); k++)
		for (unsigned i = 0; i < 2 * 256 * 256; i += step) {
			uint8_t bytes[LONGEST] = { 0 }, *at = bytes;

			for (int b = 0; b < 2 && prefixes[k][b]; b++)
				*at++ = prefixes[k][b];
			if (i >> 16)
				*at++ = 0x0f;
			*at++ = (uint8_t)(i >> 8);
			*at++ = (uint8_t)i;
			for (uint8_t fill = 0x25; at < bytes + LONGEST; fill += 0x31)
				*at++ = fill;
			compare(bytes, &len);
		}
}

static int begin(void **state)
{
	(void)state;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte_of_libc),
		cmocka_unit_test(test_every_opcode),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
