/*
 * gate_regs.c - a system call keeps every register but rax, rcx and r11, and the 128 bytes below the stack pointer
 *
 * Every general, x87 and vector register, the mask registers, the control words and the flags are set to a pattern, the call is
 * made, and all are compared.  Others use the same registers meanwhile.  Three ways to make it: a `syscall` instruction of our own;
 * the one in libc's syscall(), found in libc itself; and syscall() as the program is linked to it.  The last is a C function for
 * us, so only what the ABI has it keep is compared.
 */
#include "t.h"
#include <cpuid.h>
#include <dlfcn.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/socket.h>

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, R8, R9, R10, R11, R12, R13, R14, R15, GPRS };

struct regs {
	uint8_t fx[512] __attribute__((aligned(64)));	/* as FXSAVE has it: x87, MXCSR, xmm */
	uint8_t zmm[32][64];				/* ymm: the first 32 bytes of the first 16 */
	uint64_t k[8];
	uint64_t gpr[GPRS];
	uint64_t flags;
	uint8_t zone[128];
	uint64_t level;					/* 0 SSE, 1 AVX, 2 AVX-512 */
	long (*function)(long, ...);
};

#define OFF_ZMM 512
#define OFF_K (OFF_ZMM + 2048)
#define OFF_GPR (OFF_K + 64)
#define OFF_FLAGS (OFF_GPR + 15 * 8)
#define OFF_ZONE (OFF_FLAGS + 8)
#define OFF_LEVEL (OFF_ZONE + 128)
#define OFF_FUNCTION (OFF_LEVEL + 8)

_Static_assert(offsetof(struct regs, gpr) == OFF_GPR && offsetof(struct regs, function) == OFF_FUNCTION, "in step with the assembly");

/* load everything from *in, make the system call, store everything to *out */
void call_inline(const struct regs *in, struct regs *out);
/* the same by in->function, which takes syscall()'s arguments */
void call_libc(const struct regs *in, struct regs *out);

#define S_(x) #x
#define S(x) S_(x)
#define EACH_8(m) m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7)
#define EACH_16(m) EACH_8(m) m(8) m(9) m(10) m(11) m(12) m(13) m(14) m(15)
#define EACH_32(m) EACH_16(m) m(16) m(17) m(18) m(19) m(20) m(21) m(22) m(23) m(24) m(25) m(26) m(27) m(28) m(29) m(30) m(31)
#define LOAD_Y(n) "vmovdqu " S(OFF_ZMM + n * 64) "(%rdi), %ymm" #n "\n"
#define SAVE_Y(n) "vmovdqu %ymm" #n ", " S(OFF_ZMM + n * 64) "(%rcx)\n"
#define LOAD_Z(n) "vmovdqu64 " S(OFF_ZMM + n * 64) "(%rdi), %zmm" #n "\n"
#define SAVE_Z(n) "vmovdqu64 %zmm" #n ", " S(OFF_ZMM + n * 64) "(%rcx)\n"
#define LOAD_K(n) "kmovq " S(OFF_K + n * 8) "(%rdi), %k" #n "\n"
#define SAVE_K(n) "kmovq %k" #n ", " S(OFF_K + n * 8) "(%rcx)\n"
#define G(n) S(OFF_GPR + n * 8)
#define LOAD_ZONE(n) "movq " S(OFF_ZONE + n * 8) "(%rdi), %rax\n movq %rax, " S(-128 + n * 8) "(%rsp)\n"
#define SAVE_ZONE(n) "movq " S(-128 + n * 8) "(%rsp), %r11\n movq %r11, " S(OFF_ZONE + n * 8) "(%rcx)\n"

/* with unwind tables, as compilers and careful assembly have them: they tell where a function begins and ends */
#define PUSH(r) "push %" r "\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %" r ", 0\n"
#define POP(r) "pop %" r "\n .cfi_adjust_cfa_offset -8\n .cfi_restore %" r "\n"
#define PUSH_ALL										\
	".cfi_startproc\n"									\
	PUSH("rbx") PUSH("rbp") PUSH("r12") PUSH("r13") PUSH("r14") PUSH("r15") PUSH("rsi") PUSH("rdi")	\
	"sub $8, %rsp\n .cfi_adjust_cfa_offset 8\n"
#define POP_ALL											\
	"add $8, %rsp\n .cfi_adjust_cfa_offset -8\n"						\
	POP("rdi") POP("rsi") POP("r15") POP("r14") POP("r13") POP("r12") POP("rbp") POP("rbx")

#define LOAD_VECTORS							\
	"fxrstor64 (%rdi)\n"						\
	"cmpq $1, " S(OFF_LEVEL) "(%rdi)\n jb 2f\n ja 1f\n"		\
	EACH_16(LOAD_Y) "jmp 2f\n"					\
	"1:\n" EACH_32(LOAD_Z) EACH_8(LOAD_K)				\
	"2:\n"
/* out is at 16(%rsp); rcx and r11 are free now */
#define SAVE_ALL								\
	"movq 16(%rsp), %rcx\n"							\
	EACH_16(SAVE_ZONE)							\
	"pushfq\n popq " S(OFF_FLAGS) "(%rcx)\n cld\n"				\
	"movq %rax, " G(0) "(%rcx)\n movq %rbx, " G(1) "(%rcx)\n movq %rdx, " G(3) "(%rcx)\n movq %rsi, " G(4) "(%rcx)\n"	\
	"movq %rdi, " G(5) "(%rcx)\n movq %rbp, " G(6) "(%rcx)\n movq %r8, " G(7) "(%rcx)\n movq %r9, " G(8) "(%rcx)\n"		\
	"movq %r10, " G(9) "(%rcx)\n movq %r12, " G(11) "(%rcx)\n movq %r13, " G(12) "(%rcx)\n movq %r14, " G(13) "(%rcx)\n"	\
	"movq %r15, " G(14) "(%rcx)\n"						\
	"fxsave64 (%rcx)\n"							\
	"cmpq $1, " S(OFF_LEVEL) "(%rcx)\n jb 4f\n ja 3f\n"			\
	EACH_16(SAVE_Y) "vzeroupper\n jmp 4f\n"					\
	"3:\n" EACH_32(SAVE_Z) EACH_8(SAVE_K) "vzeroupper\n"			\
	"4:\n"									\
	"fninit\n movl $0x1f80, (%rsp)\n ldmxcsr (%rsp)\n"

__asm__(".text\n.globl call_inline\n.type call_inline, @function\ncall_inline:\n"
	PUSH_ALL LOAD_VECTORS
	"pushq " S(OFF_FLAGS) "(%rdi)\n popq (%rsp)\n"		/* the flags, kept at (%rsp) until all else is loaded */
	EACH_16(LOAD_ZONE)
	"movq " G(1) "(%rdi), %rbx\n movq " G(3) "(%rdi), %rdx\n movq " G(4) "(%rdi), %rsi\n movq " G(6) "(%rdi), %rbp\n"
	"movq " G(7) "(%rdi), %r8\n movq " G(8) "(%rdi), %r9\n movq " G(9) "(%rdi), %r10\n movq " G(11) "(%rdi), %r12\n"
	"movq " G(12) "(%rdi), %r13\n movq " G(13) "(%rdi), %r14\n movq " G(14) "(%rdi), %r15\n movq " G(0) "(%rdi), %rax\n"
	"movq " G(5) "(%rdi), %rdi\n"
	"popfq\n leaq -8(%rsp), %rsp\n"				/* neither touches the zone nor the flags */
	"syscall\n"
	SAVE_ALL POP_ALL
	"ret\n.cfi_endproc\n.size call_inline, .-call_inline\n");

__asm__(".text\n.globl call_libc\n.type call_libc, @function\ncall_libc:\n"
	PUSH_ALL LOAD_VECTORS
	"pushq " G(9) "(%rdi)\n"				/* the last two arguments of syscall() */
	"popq %r11\n"
	"movq " G(1) "(%rdi), %rbx\n movq " G(6) "(%rdi), %rbp\n movq " G(11) "(%rdi), %r12\n movq " G(12) "(%rdi), %r13\n"
	"movq " G(13) "(%rdi), %r14\n movq " G(14) "(%rdi), %r15\n"
	"movq " G(7) "(%rdi), %r9\n movq %r11, %r8\n movq " G(3) "(%rdi), %rcx\n movq " G(4) "(%rdi), %rdx\n"
	"movq " G(5) "(%rdi), %rsi\n"
	"movq " G(8) "(%rdi), %r10\n movq %r10, (%rsp)\n"	/* the sixth, on the stack */
	"movq " S(OFF_FUNCTION) "(%rdi), %r11\n movq " G(0) "(%rdi), %rdi\n"
	"xorl %eax, %eax\n call *%r11\n"
	SAVE_ALL POP_ALL
	"ret\n.cfi_endproc\n.size call_libc, .-call_libc\n");

/* --- patterns --- */

static uint64_t level;
static long (*libc_syscall)(long, ...);

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void fill(struct regs *r, uint64_t seed)
{
	uint64_t *words = (uint64_t *)r;

	seed = seed * 0x9e3779b97f4a7c15 + 1;
	for (size_t i = 0; i < sizeof(*r) / 8; i++)
		words[i] = next(&seed);
	memset(r->fx, 0, 32);
	*(uint16_t *)(r->fx + 0) = seed & 1 ? 0x0f7f : 0x0c7f;	/* towards zero, long or single precision */
	*(uint16_t *)(r->fx + 2) = (seed % 8) << 11 | 0x4100;		/* top, condition codes */
	r->fx[4] = 0xff;						/* all eight in use */
	*(uint32_t *)(r->fx + 24) = seed & 2 ? 0x7f80 : 0xdfa5;	/* rounding, flushing, denormals, flags; all exceptions masked */
	for (int i = 0; i < 8; i++) {
		memset(r->fx + 32 + i * 16 + 10, 0, 6);
		r->fx[32 + i * 16 + 7] |= 0x80;			/* a normal number */
		*(uint16_t *)(r->fx + 32 + i * 16 + 8) = 0x4000 + i;
	}
	for (int i = 0; i < 16; i++)				/* xmm and the low part of ymm, zmm are the same */
		memcpy(r->fx + 160 + i * 16, r->zmm[i], 16);
	r->flags = 0x202 | (seed & 0x8d5) | (seed & 0x100000 ? 0x400 : 0);
	r->level = level;
}

enum way { INLINE, IN_LIBC, LINKED, WAYS };

static int same(const struct regs *a, const struct regs *b, enum way way, char *why)
{
	bool libc = way != INLINE;
	static const char *const names[] = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12",
					     "r13", "r14", "r15" };
	static const char args[] = { RDX, RSI, RDI, R8, R9, R10 };

	*why = 0;
	for (int i = 0; i < GPRS; i++) {
		bool skip = i == RAX || i == RCX || i == R11 || (libc && memchr(args, i, sizeof(args)));

		if (!skip && a->gpr[i] != b->gpr[i])
			sprintf(why + strlen(why), " %s", names[i]);
	}
	if (!libc && (a->flags ^ b->flags) & 0xcd5)
		sprintf(why + strlen(why), " flags(%llx)", (unsigned long long)((a->flags ^ b->flags) & 0xcd5));
	if (!libc && memcmp(a->zone, b->zone, 128))
		strcat(why, " red-zone");
	if (memcmp(a->fx, b->fx, 2))
		strcat(why, " x87-control");
	if ((*(uint32_t *)(a->fx + 24) ^ *(uint32_t *)(b->fx + 24)) & (way == LINKED ? 0xffc0 : 0xffff))
		strcat(why, " mxcsr");
	if (way == LINKED)
		return *why == 0;
	if (memcmp(a->fx + 2, b->fx + 2, 3))
		strcat(why, " x87-status");
	for (int i = 0; i < 8; i++)
		if (memcmp(a->fx + 32 + i * 16, b->fx + 32 + i * 16, 10))
			sprintf(why + strlen(why), " st%d", i);
	for (int i = 0; i < 16; i++)
		if (memcmp(a->fx + 160 + i * 16, b->fx + 160 + i * 16, 16))
			sprintf(why + strlen(why), " xmm%d", i);
	for (int i = 0; i < (level == 2 ? 32 : level == 1 ? 16 : 0); i++)
		if (memcmp(a->zmm[i], b->zmm[i], level == 2 ? 64 : 32))
			sprintf(why + strlen(why), " zmm%d", i);
	for (int i = 0; i < 8 && level == 2; i++)
		if (a->k[i] != b->k[i])
			sprintf(why + strlen(why), " k%d", i);
	return *why == 0;
}

/* --- calls --- */

struct call {
	const char *what;
	long nr, arg[6];
	int args;
};

static long make(const struct call *c, uint64_t seed, enum way way, char *why)
{
	static const int where[] = { RDI, RSI, RDX, R10, R8, R9 };
	struct regs in_, out;

	fill(&in_, seed);
	memset(&out, 0, sizeof(out));
	out.level = level;
	in_.gpr[RAX] = c->nr;
	for (int i = 0; i < c->args; i++)
		in_.gpr[where[i]] = c->arg[i];
	if (way == LINKED) {		/* it may use the x87 stack: empty, as the ABI has it */
		in_.fx[2] = in_.fx[3] = in_.fx[4] = 0;
		in_.flags &= ~0x400ul;
	}
	in_.function = way == LINKED ? syscall : libc_syscall;
	(way == INLINE ? call_inline : call_libc)(&in_, &out);
	same(&in_, &out, way, why);
	return (long)out.gpr[RAX];
}

static int pipes[2], pair[2];
static uint32_t word;
static char buf[16];
static struct timespec ms1 = { 0, 1000000 };

static void *trash(void *arg)
{
	struct call w = { "", SYS_write, { *(int *)arg, (long)"t", 1 }, 3 }, s = { "", SYS_nanosleep, { (long)&ms1, 0 }, 2 };
	char why[1024];

	for (int i = 0; i < 10; i++) {
		make(&s, 1000 + i, i % WAYS, why);
		if (*why)
			say("trash thread:%s", why);
	}
	make(&w, 2000, INLINE, why);
	return NULL;
}

static void table(void)
{
	const struct call rows[] = {
		{ "getppid", SYS_getppid, { 0 }, 0 },
		{ "gettid", SYS_gettid, { 0 }, 0 },
		{ "getpid", SYS_getpid, { 0 }, 0 },
		{ "sched_yield", SYS_sched_yield, { 0 }, 0 },
		{ "nanosleep", SYS_nanosleep, { (long)&ms1, 0 }, 2 },
		{ "clock_nanosleep", SYS_clock_nanosleep, { CLOCK_MONOTONIC, 0, (long)&ms1, 0 }, 4 },
		{ "futex wait, timeout", SYS_futex, { (long)&word, FUTEX_WAIT_PRIVATE, 0, (long)&ms1 }, 4 },
		{ "futex wait, differs", SYS_futex, { (long)&word, FUTEX_WAIT_PRIVATE, 1, 0 }, 4 },
		{ "futex wake", SYS_futex, { (long)&word, FUTEX_WAKE_PRIVATE, 1 }, 3 },
		{ "write", SYS_write, { pipes[1], (long)"x", 1 }, 3 },
		{ "read", SYS_read, { pipes[0], (long)buf, 16 }, 3 },
		{ "read of nothing", SYS_read, { -1, (long)buf, 16 }, 3 },
		{ "sendto", SYS_sendto, { pair[0], (long)"y", 1, 0, 0, 0 }, 6 },
		{ "recvfrom", SYS_recvfrom, { pair[1], (long)buf, 16, 0, 0, 0 }, 6 },
		{ "recvfrom, nothing", SYS_recvfrom, { pair[1], (long)buf, 16, MSG_DONTWAIT, 0, 0 }, 6 },
		{ "poll, timeout", SYS_poll, { 0, 0, 2 }, 3 },
		{ "select, timeout", SYS_select, { 0, 0, 0, 0, (long)&(struct timeval){ 0, 1000 } }, 5 },
		{ "rt_sigprocmask", SYS_rt_sigprocmask, { SIG_BLOCK, 0, 0, 8 }, 4 },
		{ "no such call", 4095, { 0 }, 0 },
	};
	static const char *const ways[] = { "", "libc's ", "linked " };
	char why[1024];

	for (int way = 0; way < WAYS; way++)
		for (unsigned i = 0; i < T_LENGTH(rows); i++) {
			long r = 0;
			char all[1024] = "";

			for (int seed = 1; seed <= 8; seed++) {
				if (rows[i].nr == SYS_read && rows[i].arg[0] == pipes[0])
					(void)!write(pipes[1], "x", 1);
				if (rows[i].nr == SYS_recvfrom && !(rows[i].arg[3] & MSG_DONTWAIT))
					(void)!write(pair[0], "x", 1);
				r = make(&rows[i], seed * 77 + i, way, why);
				if (*why)
					snprintf(all, sizeof(all), "%.1000s", why);
			}
			if (rows[i].nr == SYS_write || rows[i].nr == SYS_sendto)
				(void)!read(rows[i].nr == SYS_write ? pipes[0] : pair[1], buf, 16);
			bool named = rows[i].nr == SYS_getppid || rows[i].nr == SYS_gettid || rows[i].nr == SYS_getpid;
			say("%s%s: %ld, changed:%s", ways[way], rows[i].what, named ? 0 : r, *all ? all : " nothing");
		}
}

static void parked_read(void)
{
	struct call c = { "", SYS_read, { pipes[0], (long)buf, 16 }, 3 };
	char why[1024];

	for (int i = 0; i < 6; i++) {
		pthread_t t = start(trash, &pipes[1]);
		long r = make(&c, 300 + i, i % WAYS, why);

		join(t);
		say("parked read while another uses them: %ld, changed:%s", r, *why ? why : " nothing");
	}
}

static void *busy(void *arg)
{
	struct call s = { "", SYS_nanosleep, { (long)&ms1, 0 }, 2 }, y = { "", SYS_sched_yield, { 0 }, 0 };
	struct call *calls[] = { &s, &y };
	long wrong = 0;
	char why[1024];

	for (int i = 0; i < 60; i++) {
		make(calls[i % 2], (long)arg * 1000 + i, i % WAYS, why);
		wrong += *why != 0;
	}
	return (void *)wrong;
}

/* a handler runs in the middle of it, and uses them too */
static volatile int handled;

static void on_usr1(int sig)
{
	struct call y = { "", SYS_sched_yield, { 0 }, 0 };
	char why[1024];

	(void)sig;
	make(&y, 5000 + handled, INLINE, why);
	handled = handled + 1;
}

static void *interrupt(void *arg)
{
	for (int i = 0; i < 5; i++) {
		msleep(2);
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
	}
	msleep(2);
	MUST(write(pipes[1], "h", 1));
	return NULL;
}

static void together(void)
{
	struct call c = { "", SYS_read, { pipes[0], (long)buf, 16 }, 3 };
	pthread_t t[8], me = pthread_self();
	long wrong = 0;
	char why[1024];

	for (intptr_t i = 0; i < 8; i++)
		t[i] = start(busy, (void *)(i + 1));
	for (int i = 0; i < 8; i++)
		wrong += (long)join(t[i]);
	say("eight at once: wrong %ld", wrong);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_usr1, .sa_flags = SA_RESTART }, NULL);
	t[0] = start(interrupt, &me);
	long r = make(&c, 777, IN_LIBC, why);
	join(t[0]);
	say("handlers during a read: %ld, changed:%s", r, *why ? why : " nothing");
	YES("they ran", handled >= 1);
}

static uint64_t xgetbv(void)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo | (uint64_t)hi << 32;
}

/* --- a flag that is never set but by those who want it ------------------------------------------------------------------------------ */

#define AC 0x40000ul

static int place, ac_seen;

static unsigned long change_flags(unsigned long and, unsigned long or)
{
	unsigned long was;

	__asm__ volatile("lea -128(%%rsp), %%rsp\n pushfq\n popq %0\n" : "=&r"(was) : : "memory");
	__asm__ volatile("pushq %0\n popfq\n lea 128(%%rsp), %%rsp\n" : : "r"((was & and) | or) : "cc", "memory");
	return was;
}

/* A call of our own, since libc's functions need not keep it, nor be called with it. */
__attribute__((noinline)) static void yield(void)
{
	long r = SYS_sched_yield;

	__asm__ volatile("syscall" : "+a"(r) : : "rcx", "r11", "memory");
}

static void *looks_at_ac(void *arg)
{
	for (int i = 0; i < 20; i++) {
		yield();
		ac_seen += (change_flags(~AC, 0) & AC) != 0;
	}
	t_set(&place, 1);
	return arg;
}

static void alignment_check(void)
{
	pthread_t t = start(looks_at_ac, NULL);
	int kept = 1;

	while (!t_get(&place)) {
		change_flags(~0ul, AC);
		yield();
		kept &= (change_flags(~0ul, 0) & AC) != 0;
		change_flags(~AC, 0);
	}
	join(t);
	say("AC: kept %d, seen by another %d", kept, ac_seen);
}

int main(void)
{
	unsigned a = 0, b = 0, c = 0, d = 0;

	t_begin();
	__get_cpuid(1, &a, &b, &c, &d);
	bool osxsave = c & bit_OSXSAVE;
	bool avx = osxsave && (c & bit_AVX) && (xgetbv() & 6) == 6;
	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	bool avx512 = avx && (b & bit_AVX512F) && (b & bit_AVX512BW) && (xgetbv() & 0xe6) == 0xe6;
	libc_syscall = (long (*)(long, ...))dlsym(dlopen("libc.so.6", RTLD_NOW), "syscall");
	must_pipe(pipes);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
	for (level = 0; level <= (avx512 ? 2 : avx ? 1 : 0); level++) {
		say("-- level %d", (int)level);
		table();
		parked_read();
		together();
	}
	alignment_check();
	return 0;
}
