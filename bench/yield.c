/*
 * yield.c - two take turns, and each turn is nothing but giving it up
 *
 *	yield SIDE [switches]	prints nanoseconds per switch
 *
 * grove: two greenlets call grove_yield().  hand: two stacks, and as little code as can keep what a thread has: the registers that a
 * call keeps, the control words of both floating-point units, and the FS base, where its TLS is.  threads: two kernel threads call
 * sched_yield(); what counts is how often the kernel has switched, which is not at each call.
 */
#include "bench.h"
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/resource.h>

/* --- grove ----------------------------------------------------------------------------------------------------------------- */

static void *yields(void *arg)
{
	for (long i = *(const long *)arg; i > 0; i--)
		grove_yield();
	return NULL;
}

static double run_grove(long n)
{
	long half = (n + 1) / 2;

	return bench_two(yields, &half, yields, &half);
}

/* --- hand ------------------------------------------------------------------------------------------------------------------ */

/* void hand_switch(void **save_sp, void *load_sp, void *load_fs).  Leaves by a jump: a return would be mispredicted. */
__asm__("	.text\n"
	"	.p2align 4\n"
	"	.globl hand_switch\n"
	"	.type hand_switch, @function\n"
	"hand_switch:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	subq $8, %rsp\n"
	"	stmxcsr (%rsp)\n"
	"	fnstcw 4(%rsp)\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	wrfsbase %rdx\n"
	"	ldmxcsr (%rsp)\n"
	"	fldcw 4(%rsp)\n"
	"	addq $8, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	popq %rcx\n"
	"	jmp *%rcx\n"
	"	.size hand_switch, . - hand_switch\n");
void hand_switch(void **save_sp, void *load_sp, void *load_fs);

#define STACK		65536
#define HEAD		704		/* of a thread's TLS block: what the ABI and compilers know of */
#define FSGSBASE	2		/* AT_HWCAP2: programs may write the FS base */

static void *main_sp, *other_sp, *main_fs;
static char stack[STACK] __attribute__((aligned(64))), other_fs[HEAD] __attribute__((aligned(64)));

static _Noreturn void other(void)
{
	for (;;)
		hand_switch(&other_sp, main_sp, main_fs);
}

/* The first frame of the other side: as hand_switch() pops it. */
static void make_other(void)
{
	struct frame {
		uint32_t mxcsr;
		uint16_t fcw, pad;
		uint64_t r[6];
		void (*ret)(void);
	} *frame = (struct frame *)(stack + STACK - 8) - 1;	/* where a function begins, the stack is 8 away from 16-aligned */

	__asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(frame->mxcsr), "=m"(frame->fcw));
	frame->ret = other;
	other_sp = frame;
	__asm__("rdfsbase %0" : "=r"(main_fs));
	memcpy(other_fs, main_fs, HEAD);
}

static double run_hand(long n)
{
	double from;

	if (!(getauxval(AT_HWCAP2) & FSGSBASE)) {
		fprintf(stderr, "this kernel does not let programs write the FS base\n");
		exit(77);
	}
	make_other();
	from = bench_now(CLOCK_MONOTONIC);
	for (long i = 0; i < n; i += 2)
		hand_switch(&main_sp, other_sp, other_fs);
	return bench_now(CLOCK_MONOTONIC) - from;
}

/* --- threads --------------------------------------------------------------------------------------------------------------- */

static pthread_barrier_t both;

static long switched(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw + usage.ru_nivcsw;
}

static void *yields_to_thread(void *arg)
{
	pthread_barrier_wait(&both);
	for (long i = *(const long *)arg; i > 0; i--)
		sched_yield();
	return NULL;
}

static double run_threads(long n)
{
	long half = (n + 1) / 2, before;
	double from, took;
	pthread_t peer;

	pthread_barrier_init(&both, NULL, 2);
	BENCH_CHECK(pthread_create(&peer, NULL, yields_to_thread, &half) == 0);
	before = switched();
	from = bench_now(CLOCK_MONOTONIC);
	yields_to_thread(&half);
	pthread_join(peer, NULL);
	took = bench_now(CLOCK_MONOTONIC) - from;
	return took * (double)n / (double)(switched() - before);
}

BENCH_MAIN(10000000, { "grove", run_grove }, { "hand", run_hand }, { "threads", run_threads })
