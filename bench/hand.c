/*
 * hand.c - the limits: what must be done to switch, and to create and join, written by hand for nothing else
 *
 *	hand SIDE [n]	prints CPU nanoseconds for each of n
 *
 * switch: two stacks, and as little code as can keep what a thread has: the registers that a call keeps, the control words of
 * both floating-point units, and the FS base, where its TLS is.  plain: the same with the registers alone, so both share their
 * TLS.  ucontext: libc's swapcontext(), which keeps the signal mask too, by a system call.  create: a stack and a TLS block from
 * a list of free ones, its head written anew, the first frame, a switch there and one back; so one is created, runs, ends and is
 * joined.  alive: all n of them at once.  pages: n stacks with one page in use and a guard each, 64 KiB apart; prints how many,
 * and waits for a line.
 */
#include "sides.h"
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

/*
 * void hand_switch(void **save_sp, void *load_sp, void *load_fs), void hand_plain(void **save_sp, void *load_sp)
 * They leave by a jump: a return would be mispredicted.
 */
__asm__("	.macro leave_registers\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	.endm\n"
	"	.macro enter_registers\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	popq %rcx\n"
	"	jmp *%rcx\n"
	"	.endm\n"
	"	.text\n"
	"	.p2align 4\n"
	"	.type hand_switch, @function\n"
	"hand_switch:\n"
	"	leave_registers\n"
	"	subq $8, %rsp\n"
	"	stmxcsr (%rsp)\n"
	"	fnstcw 4(%rsp)\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	wrfsbase %rdx\n"
	"	ldmxcsr (%rsp)\n"
	"	fldcw 4(%rsp)\n"
	"	addq $8, %rsp\n"
	"	enter_registers\n"
	"	.size hand_switch, . - hand_switch\n"
	"	.p2align 4\n"
	"	.type hand_plain, @function\n"
	"hand_plain:\n"
	"	leave_registers\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	enter_registers\n"
	"	.size hand_plain, . - hand_plain\n");
void hand_switch(void **save_sp, void *load_sp, void *load_fs);
void hand_plain(void **save_sp, void *load_sp);

#define STACK		65536
#define HEAD		704		/* of a thread's TLS block: what the ABI and compilers know of */
#define FSGSBASE	2		/* AT_HWCAP2: programs may write the FS base */

struct frame {				/* as hand_plain() pops it */
	uint64_t r[6];
	void (*ret)(void);
};

struct slot {
	char stack[STACK];
	char fs[HEAD] __attribute__((aligned(64)));
	void *sp;
	struct slot *next;		/* that is free */
};

static struct slot one __attribute__((aligned(64)));
static void *main_sp, *main_fs;
static uint64_t modes;			/* MXCSR and the x87 control word, as hand_switch() keeps them */

static void find_own(void)
{
	if (!(getauxval(AT_HWCAP2) & FSGSBASE)) {
		fprintf(stderr, "this kernel does not let programs write the FS base\n");
		exit(77);
	}
	__asm__("rdfsbase %0" : "=r"(main_fs));
	__asm__("stmxcsr %0\n\tfnstcw 4+%0" : "=m"(modes));
}

/* Where a function begins, the stack is 8 away from 16-aligned. */
static struct frame *first_frame(struct slot *slot, void (*fn)(void))
{
	struct frame *frame = (struct frame *)(slot->stack + STACK - 8) - 1;

	memset(frame, 0, sizeof(*frame));
	frame->ret = fn;
	return frame;
}

static void *first_frame_with_modes(struct slot *slot, void (*fn)(void))
{
	uint64_t *frame = (uint64_t *)first_frame(slot, fn) - 1;

	*frame = modes;
	return frame;
}

static void switches(void)
{
	for (;;)
		hand_switch(&one.sp, main_sp, main_fs);
}

static double run_switch(long n)
{
	double from;

	find_own();
	one.sp = first_frame_with_modes(&one, switches);
	memcpy(one.fs, main_fs, HEAD);
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	for (long i = 0; i < n; i += 2)
		hand_switch(&main_sp, one.sp, one.fs);
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

static void switches_plainly(void)
{
	for (;;)
		hand_plain(&one.sp, main_sp);
}

static double run_plain(long n)
{
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID);

	one.sp = first_frame(&one, switches_plainly);
	for (long i = 0; i < n; i += 2)
		hand_plain(&main_sp, one.sp);
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

static ucontext_t here, other;

static void swaps(void)
{
	for (;;)
		swapcontext(&other, &here);
}

static double run_ucontext(long n)
{
	double from;

	getcontext(&other);
	other.uc_stack = (stack_t){ .ss_sp = one.stack, .ss_size = STACK };
	makecontext(&other, swaps, 0);
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	for (long i = 0; i < n; i += 2)
		swapcontext(&here, &other);
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

/* --- create ---------------------------------------------------------------------------------------------------------------- */

static struct slot *free_slots, *running;
static long ended;

static void runs(void)
{
	void *sp;

	ended++;
	hand_switch(&sp, main_sp, main_fs);
}

static struct slot *create(void (*fn)(void))
{
	struct slot *slot = free_slots;

	free_slots = slot->next;
	memcpy(slot->fs, main_fs, HEAD);
	slot->sp = first_frame_with_modes(slot, fn);
	return slot;
}

static double run_create(long n)
{
	double from;

	find_own();
	one.next = NULL;
	free_slots = &one;
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	for (long i = 0; i < n; i++) {
		running = create(runs);
		hand_switch(&main_sp, running->sp, running->fs);
		running->next = free_slots;
		free_slots = running;
	}
	BENCH_CHECK(ended == n);
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

/* --- alive: n slots, each with a stack and a TLS block of its own ----------------------------------------------------------- */

static struct slot *slots;

/* So much address space, of which a page is taken when it is touched */
static void *memory(size_t size)
{
	void *all = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	BENCH_CHECK(all != MAP_FAILED && madvise(all, size, MADV_NOHUGEPAGE) == 0);
	return all;
}

static void waits(void)
{
	struct slot *mine = running;

	hand_switch(&mine->sp, main_sp, main_fs);
	ended++;
	hand_switch(&mine->sp, main_sp, main_fs);
}

static double run_alive(long n)
{
	double from, took, kb;

	find_own();
	slots = memory((size_t)n * sizeof(*slots));
	kb = bench_kb();
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	for (long i = 0; i < n; i++) {
		free_slots = &slots[i];
		running = create(waits);
		hand_switch(&main_sp, running->sp, running->fs);
	}
	took = bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
	printf("made %ld\nkb %.2f\n", n, (bench_kb() - kb) / (double)n);
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	for (long i = 0; i < n; i++)
		hand_switch(&main_sp, slots[i].sp, slots[i].fs);
	BENCH_CHECK(ended == n);
	return took + bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

/* --- pages ----------------------------------------------------------------------------------------------------------------- */

#define PAGE		4096
#define GUARD_INSTALL	102		/* madvise(2), Linux 6.13; older headers lack it */

static double run_pages(long n)
{
	char *all = memory((size_t)n * STACK + PAGE);

	for (long i = 0; i < n; i++) {
		madvise(all + i * STACK, PAGE, GUARD_INSTALL);	/* without it the figure is the same */
		all[(i + 1) * STACK - 1] = 1;
	}
	bench_parked(n);
	_exit(0);
}

BENCH_MAIN(10000000, { "switch", run_switch }, { "plain", run_plain }, { "ucontext", run_ucontext }, { "create", run_create },
	   { "alive", run_alive }, { "pages", run_pages })
