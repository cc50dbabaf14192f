/*
 * arch.c - x86-64: what the processor can do, and first frames written by hand (see switch.S, gate.S)
 */
#include "arch.h"
#include "../../raw.h"
#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <sys/auxv.h>
#include <ucontext.h>

uint8_t gr_arch_wrfsbase;		/* switch.S: the FS base may be written without a system call */
uint8_t gr_arch_xsave;			/* 3: XSAVEC, and XGETBV tells what is in use, 2: XSAVEC, 1: XSAVE, 0: FXSAVE only */
uint32_t gr_arch_xsize = 512;		/* bytes of the vector state's area */
uint64_t gr_arch_xmask;			/* the components kept in it, */
uint32_t gr_arch_xbeside;		/* those of them beside SSE, */
uint32_t gr_arch_xothers;		/* and those of these that switch.S cannot move by itself: not the mask registers and zmm16 to zmm31 */

/* An area in which all components have their initial state.  In the compacted format MXCSR belongs to SSE, which is not loaded from it. */
struct {
	uint8_t legacy[512];
	uint64_t in_use, format, reserved[6];
} gr_arch_xinitial __attribute__((aligned(64)));

uint8_t gr_gate_green[65536];

static uint32_t pkru_at;		/* where PKRU is in the vector state of a signal frame; 0: no protection keys */

void gr_frame_start(void);
void gr_clone_start(void);

#define HWCAP2_FSGSBASE	GR_BIT(1)
#define XSAVE_XSAVEC	GR_BIT(1)	/* CPUID 0xd, 1 */
#define XSAVE_XGETBV	GR_BIT(2)
#define XCOMP_SSE	GR_BIT(1)
#define XCOMP_MASKS	GR_BIT(5)
#define XCOMP_HIGH_ZMM	GR_BIT(7)
#define XCOMP_COMPACTED	(1ull << 63)
#define XCOMP_PKRU	(1ull << 9)
#define XCOMP_AMX	(3ull << 17)	/* 8 KiB; no code keeps tiles across a system call */
#define XSAVE_LEGACY	576u		/* x87, SSE and the header */
#define ARCH_GET_FS	0x1003

struct frame {
	uint32_t mxcsr;
	uint16_t fcw, pad;
	uint64_t r15, r14, r13, r12, rbx, rbp;
	void (*ret)(void);
};
_Static_assert(sizeof(struct frame) == 64, "switch.S pops 64 bytes");
_Static_assert(offsetof(struct gr_regs, rax) == GR_REGS_RAX, "gate.S stores the result there");
_Static_assert(sizeof(struct gr_regs) == 128, "gate.S counts on 16 words");

uintptr_t gr_arch_fs(void)
{
	uintptr_t fs = 0;

	if (gr_arch_wrfsbase)
		__asm__("rdfsbase %0" : "=r"(fs));
	else
		raw(SYS_arch_prctl, ARCH_GET_FS, &fs);
	return fs;
}

int gr_arch_init(void)
{
	unsigned a, b, c, d;
	uint32_t lo, hi;

	gr_arch_wrfsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0;
	if (__get_cpuid_max(0, NULL) < 0xd)
		return 0;
	__cpuid(1, a, b, c, d);		/* not __get_cpuid(), which asks for the highest leaf each time: a virtual machine takes a microsecond or more */
	if (!(c & bit_OSXSAVE))
		return 0;
	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	gr_arch_xmask = (((uint64_t)hi << 32) | lo) & ~(XCOMP_PKRU | XCOMP_AMX);
	gr_arch_xsave = 1;
	gr_arch_xsize = XSAVE_LEGACY;
	for (unsigned i = 2; i < 63; i++) {	/* standard format: where the last component we keep ends */
		if (!(gr_arch_xmask >> i & 1))
			continue;
		__cpuid_count(0xd, i, a, b, c, d);
		if (a + b > gr_arch_xsize)
			gr_arch_xsize = a + b;
	}
	__cpuid_count(0xd, 1, a, b, c, d);
	if (a & XSAVE_XSAVEC)
		gr_arch_xsave = (a & XSAVE_XGETBV) && !hi ? 3 : 2;	/* the compacted format is never larger */
	gr_arch_xbeside = gr_arch_xothers = (uint32_t)gr_arch_xmask & ~XCOMP_SSE;
	gr_arch_xinitial.format = XCOMP_COMPACTED | gr_arch_xmask;
	if (!(lo & (XCOMP_PKRU | XCOMP_MASKS)))
		return 0;
	__cpuid_count(7, 0, a, b, c, d);
	if ((lo & XCOMP_MASKS) && (b & bit_AVX512BW))
		gr_arch_xothers &= ~(XCOMP_MASKS | XCOMP_HIGH_ZMM);
	if (!(lo & XCOMP_PKRU) || !(c & bit_OSPKE))
		return 0;
	__cpuid_count(0xd, 9, a, b, c, d);
	pkru_at = b;
	return 0;
}

/* XSTATE_BV, at 512, says whether the component is in the frame or has its initial value, which allows everything. */
void gr_arch_keep_pkru(const void *context)
{
	const char *state = (const char *)((const ucontext_t *)context)->uc_mcontext.fpregs;
	uint32_t pkru = 0;

	if (!pkru_at || !state)
		return;
	if (*(const uint64_t *)(state + 512) & XCOMP_PKRU)
		pkru = *(const uint32_t *)(state + pkru_at);
	__asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(pkru), "c"(0), "d"(0));	/* wrpkru */
}

static struct frame *push_frame(void *top, void (*ret)(void))
{
	struct frame *f = (struct frame *)top - 1;

	*f = (struct frame){ .ret = ret };
	__asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(f->mxcsr), "=m"(f->fcw));
	return f;
}

void *gr_frame_init(void *top, void (*fn)(void *), void *arg)
{
	struct frame *f = push_frame((void *)((uintptr_t)top & ~15ul), gr_frame_start);

	f->rbx = (uintptr_t)fn;
	f->r12 = (uintptr_t)arg;
	return f;
}

void *gr_frame_clone(const struct gr_regs *regs, void *stack, void (*on_start)(void))
{
	struct gr_regs *child = (struct gr_regs *)((char *)stack - GR_RED_ZONE) - 1;
	struct frame *f;

	*child = *regs;
	child->rax = 0;
	f = push_frame(child, gr_clone_start);
	f->rbx = (uintptr_t)on_start;
	return f;
}
