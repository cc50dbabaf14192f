/*
 * test_patch.c - which `syscall` instructions are found, what is moved for each, and that libc works afterwards
 *
 * The sites under test are written by hand below, on pages of their own, so that this program can rewrite them while it runs.
 * Whatever changes libc runs in a child process, because it cannot be undone.
 *
 * Links: arch/x86_64/{patch,thunk,near,sites,targets,functions,choose}.c, Zydis; has a gr_gate of its own, which counts
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "arch/x86_64/arch.h"
#include "arch/x86_64/sites.h"
#include "raw.h"
#include "tools.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <link.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

/* --- a gate that counts, and takes the thunk's raw way for the calls that must be made there --------------------------------- */

unsigned long gate_entries;

__asm__(".text\n"
	".globl gr_gate\n"
	"gr_gate:\n"
	"	pushfq\n"
	"	lock incq gate_entries(%rip)\n"
	"	cmp $56, %eax\n"	/* clone */
	"	je 1f\n"
	"	cmp $58, %eax\n"	/* vfork */
	"	je 1f\n"
	"	cmp $435, %eax\n"	/* clone3 */
	"	je 1f\n"
	"	popfq\n"
	"	syscall\n"
	"	ret\n"
	"1:	popfq\n"
	"	popq %r11\n"
	"	lea 128(%rsp), %rsp\n"
	"	lea 10(%r11), %r11\n"
	"	jmp *%r11\n");

/* --- sites --------------------------------------------------------------------------------------------------------------- */

/* site_x(a, b) makes the call getpid and gives its result; here_x is its syscall instruction.  Padding is int3. */
#define SITE(name, code) ".globl site_" #name "\nsite_" #name ":\n.cfi_startproc\n" code ".cfi_endproc\n.p2align 4, 0xcc\n"
#define BARE(name, code) ".globl site_" #name "\nsite_" #name ":\n" code ".p2align 4, 0xcc\n"
#define HERE(name) ".globl here_" #name "\nhere_" #name ": syscall\n"
#define NR "mov $39, %eax\n"
#define NR_FIXED NR "jmp 9f\n 9:"	/* the instruction before the site cannot be moved: something jumps to the site */

__asm__(".section .text.sites, \"ax\", @progbits\n"
	".p2align 12, 0xcc\n"
	".globl sites_begin\n"
	"sites_begin:\n"
	SITE(after, NR HERE(after) "cmp $-4096, %rax\n ret\n")
	SITE(before, NR HERE(before) "call 1f\n ret\n 1: ret\n")
	SITE(several_after, NR_FIXED HERE(several_after) "push %rax\n pop %rdx\n nop\n ret\n")
	SITE(both, "mov $39, %edx\n jmp 1f\n 1: mov %edx, %eax\n" HERE(both) "nop\n call 2f\n ret\n 2: ret\n")
	SITE(padding, NR_FIXED HERE(padding) "nopl (%rax)\n ret\n")
	SITE(at_end, NR HERE(at_end))
	SITE(entered_after, NR HERE(entered_after) "1: cmp $-4096, %rax\n jz 1b\n ret\n")
	SITE(entered,
	     "mov $1, %r8d\n" NR "2:" HERE(entered) "1: cmp $-4096, %rax\n jz 1b\n dec %r8d\n js 3f\n" NR "jmp 2b\n 3: ret\n")
	SITE(from_afar, NR HERE(from_afar) ".globl afar\n afar: mov %rax, %rax\n ret\n")
	SITE(without, ".byte 0xe9\n .long afar - . - 4\n")	/* no call here, so this function is not decoded */
	SITE(far_jump, NR_FIXED HERE(far_jump) ".byte 0xe9\n .long far_target - . - 4\n")
	SITE(far_away, "far_target: ret\n")
	SITE(endbr, NR HERE(endbr) "endbr64\n ret\n")
	SITE(rip_after, NR_FIXED HERE(rip_after) "mov four(%rip), %rdx\n add %rdx, %rax\n sub $4, %rax\n ret\n")
	SITE(rip_before, "mov thirty_nine(%rip), %eax\n" HERE(rip_before) "call 1f\n ret\n 1: ret\n")
	SITE(jcc_after, "mov $39, %eax\n test %edi, %edi\n jmp 1f\n 1:" HERE(jcc_after) "jnz 2f\n nop\n ret\n 2: inc %rax\n ret\n")
	SITE(jmp_after, "jmp 2f\n 1: ret\n 2:" NR_FIXED HERE(jmp_after) "jmp 1b\n nop\n")
	SITE(ret_after, NR_FIXED HERE(ret_after) "ret\n nop\n nop\n")
	SITE(ret_then_code, NR_FIXED HERE(ret_then_code) "ret\n mov %rax, %rax\n ret\n")
	SITE(offsets,
	     "lea offsets(%rip), %rdx\n movslq (%rdx), %rcx\n add %rdx, %rcx\n test %edi, %edi\n js 1f\n" NR_FIXED HERE(offsets)
	     "offsets_in: mov %rax, %rax\n offsets_out: ret\n 1: jmp *%rcx\n")
	SITE(addresses,
	     "lea addresses(%rip), %rdx\n mov (%rdx), %rcx\n test %edi, %edi\n js 1f\n" NR_FIXED HERE(addresses)
	     "addresses_in: mov %rax, %rax\n addresses_out: ret\n 1: jmp *%rcx\n")
	SITE(relocated, NR_FIXED HERE(relocated) "relocated_in: mov %rax, %rax\n ret\n")
	SITE(in_a_row, NR HERE(in_a_row) NR HERE(row_end) "call 1f\n ret\n 1: ret\n")
	SITE(flags, "stc\n" NR HERE(flags) "adc $0, %rax\n dec %rax\n ret\n")
	SITE(red_zone,
	     "mov %rdi, -8(%rsp)\n mov %rsi, -128(%rsp)\n" NR HERE(red_zone) "mov -8(%rsp), %rcx\n add -128(%rsp), %rcx\n"
	     "sub %rdi, %rcx\n sub %rsi, %rcx\n add %rcx, %rax\n ret\n")
	SITE(pops_after, "push %rdi\n" NR_FIXED HERE(pops_after) "pop %rdx\n push %rdx\n pop %rdx\n ret\n")
	SITE(pushes_before,
	     NR "jmp 1f\n 1: push %rdi\n pop %rdx\n push %rdi\n" HERE(pushes_before)
	     "2: pop %rdx\n cmp $-4096, %rax\n jz 3f\n ret\n 3: push %rdx\n jmp 2b\n")
	SITE(signal_return, "mov $15, %rax\n" HERE(signal_return) "nopl 0(%rax)\n nop\n")
	SITE(signal_return_32, "mov $15, %eax\n" HERE(signal_return_32) "nopl 0(%rax)\n nop\n")
	SITE(immediate, ".byte 0xb8\n .globl here_immediate\n here_immediate: .long 0x050f\n ret\n")
	BARE(runs_on, ".cfi_startproc\n" NR ".cfi_endproc\n" HERE(runs_on) "cmp $-4096, %rax\n ret\n")
	BARE(bare, NR HERE(bare) "cmp $-4096, %rax\n ret\n")
	BARE(bare_jumped_over, NR "jmp 1f\n nop\n 1:" HERE(bare_jumped_over) "cmp $-4096, %rax\n ret\n")
	BARE(bare_no_number, "lea 39(%rdi), %rax\n sub %rdi, %rax\n" HERE(bare_no_number) "cmp $-4096, %rax\n ret\n")
	BARE(data, ".long 0x90909090, 0x90909090\n .globl here_data\n here_data: .byte 0x0f, 5, 0x90, 0x90, 0x90, 0x90\n")
	BARE(garbage, ".byte 6, 6\n nop\n .globl here_garbage\n here_garbage: .byte 0x0f, 5, 0x90, 0x90, 0x90, 0x90\n")
	/* the last one: no other site has the jump behind this one decoded */
	BARE(bare_entered, NR HERE(bare_entered) "1: cmp $-4096, %rax\n jz 1b\n ret\n")
	".p2align 12, 0xcc\n"
	".globl sites_end\n"
	"sites_end:\n"
	".section .rodata\n"
	".p2align 3\n"
	"four: .quad 4\n"
	"thirty_nine: .long 39\n"
	"offsets: .long offsets_out - offsets, offsets_in - offsets\n"
	".section .data.rel.ro, \"aw\"\n"
	".p2align 3\n"
	"addresses: .quad addresses_out, addresses_in\n"
	".quad 0, relocated_in\n"	/* the table ends before it */
	".text\n");

/* A program that is not position-independent has its addresses filled in by the linker, and nothing tells where they are. */
#ifdef __PIC__
#define GR_SITE_KNOWN_BY_RELOCATION GR_SITE_FAILED
#define KNOWN_BY_RELOCATION_AFTER 0
#else
#define GR_SITE_KNOWN_BY_RELOCATION GR_SITE_MOVABLE
#define KNOWN_BY_RELOCATION_AFTER 3
#endif

/* name, state, bytes moved from before and after, called or not, and what for */
#define ROWS(ROW) \
	ROW(after,            MOVABLE, 0, 6, 1, "the instruction behind is moved") \
	ROW(before,           MOVABLE, 5, 0, 1, "a call behind stays, the one before is moved") \
	ROW(several_after,    MOVABLE, 0, 3, 1, "short ones, until there is room") \
	ROW(both,             MOVABLE, 2, 1, 1, "one from either side") \
	ROW(padding,          MOVABLE, 0, 3, 1, "padding is as good as an instruction") \
	ROW(at_end,           MOVABLE, 5, 0, 0, "nothing behind: the function ends") \
	ROW(entered_after,    MOVABLE, 5, 0, 1, "a jump leads right behind the site") \
	ROW(entered,          FAILED,  0, 0, 1, "jumps lead to the site and behind it") \
	ROW(from_afar,        MOVABLE, 5, 0, 1, "another function jumps right behind the site") \
	ROW(far_jump,         MOVABLE, 0, 5, 1, "a long jump is moved") \
	ROW(endbr,            MOVABLE, 5, 0, 1, "an indirect branch may lead behind the site") \
	ROW(rip_after,        MOVABLE, 0, 7, 1, "a displacement from rip behind") \
	ROW(rip_before,       MOVABLE, 6, 0, 1, "a displacement from rip before") \
	ROW(jcc_after,        MOVABLE, 0, 3, 1, "a short conditional jump becomes a long one") \
	ROW(jmp_after,        MOVABLE, 0, 3, 1, "a short jump becomes a long one") \
	ROW(ret_after,        MOVABLE, 0, 3, 1, "a return, and padding nobody comes to") \
	ROW(ret_then_code,    FAILED,  0, 0, 1, "code behind a return belongs to somebody unknown") \
	ROW(offsets,          FAILED,  0, 0, 1, "a table of offsets leads behind the site") \
	ROW(addresses,        FAILED,  0, 0, 1, "a table of addresses leads behind the site") \
	ROW(relocated,        KNOWN_BY_RELOCATION, 0, KNOWN_BY_RELOCATION_AFTER, 1, "an address in data leads behind the site") \
	ROW(in_a_row,         MOVABLE, 5, 0, 1, "the first leaves the second what that needs") \
	ROW(flags,            MOVABLE, 0, 4, 1, "flags are kept") \
	ROW(red_zone,         MOVABLE, 0, 5, 1, "the red zone is kept") \
	ROW(pops_after,       MOVABLE, 0, 3, 1, "the stack pointer is what it was") \
	ROW(pushes_before,    MOVABLE, 3, 0, 1, "and what it became") \
	ROW(signal_return,    KEPT,    0, 0, 0, "the signal return as libc writes it") \
	ROW(signal_return_32, KEPT,    0, 0, 0, "and as others do") \
	ROW(immediate,        NONE,    0, 0, 0, "the bytes within another instruction") \
	ROW(runs_on,          MOVABLE, 0, 6, 1, "the FDE ends before the call, as that of clone in libc") \
	ROW(bare,             MOVABLE, 0, 6, 1, "no FDE") \
	ROW(bare_entered,     MOVABLE, 5, 0, 1, "no FDE, and a jump leads right behind the site") \
	ROW(bare_jumped_over, FAILED,  0, 0, 1, "no FDE, and the number is not loaded on the way here") \
	ROW(bare_no_number,   FAILED,  0, 0, 1, "no FDE, and nothing says that this is a call") \
	ROW(data,             FAILED,  0, 0, 0, "no FDE, and it is not a call") \
	ROW(garbage,          NONE,    0, 0, 0, "no FDE, and it is no code at all")

#define DECLARE(name, ...) extern const uint8_t here_##name[]; long site_##name(long, long);
ROWS(DECLARE)
extern const uint8_t sites_begin[], sites_end[];

/* Offsets, because an address of a site in our data would be one that something may jump to. */
#define OFFSET(name, ...) ".long here_" #name " - sites_begin\n"
__asm__(".section .rodata\n .p2align 2\n .globl heres\n heres:\n" ROWS(OFFSET) ".text\n");
extern const uint32_t heres[];

static const struct row {
	const char *name, *when;
	long (*call)(long, long);
	enum gr_site_state state;
	unsigned before, after;
	bool called;
} rows[] = {
#define DEFINE(name, state, before, after, called, when) \
	{ #name, when, site_##name, GR_SITE_##state, before, after, called },
	ROWS(DEFINE)
};

static int find_program(struct dl_phdr_info *o, size_t size, void *arg)
{
	(void)size;
	*(struct dl_phdr_info *)arg = *o;
	return 1;
}

static struct gr_text our_text(struct dl_phdr_info *o)
{
	dl_iterate_phdr(find_program, o);
	return (struct gr_text){ sites_begin, sites_end, o, false };
}

static struct gr_site *find_sites(const struct gr_text *t, size_t *ret_n)
{
	struct gr_site *sites;
	uint8_t *filter = calloc(1, gr_sites_filter_size(t));

	*ret_n = gr_sites_search(t, NULL, 0);
	sites = calloc(*ret_n + 1, sizeof(*sites));
	assert_int_equal(gr_sites_search(t, sites, *ret_n), *ret_n);
	gr_sites_find(t, sites, *ret_n, filter);
	free(filter);
	return sites;
}

static void check_row(const struct row *row, const struct gr_site *sites, size_t n)
{
	const uint8_t *here = sites_begin + heres[row - rows];

	for (size_t i = 0; i < n; i++) {
		const struct gr_site *s = &sites[i];

		if (s->at != here)
			continue;
		if (s->state != row->state || s->before != row->before || s->after != row->after)
			fail_msg("%s: %s: state %d, before %d, after %d, targets %#lx", row->name, row->when, s->state, s->before,
				 s->after, (unsigned long)s->targets);
		return;
	}
	fail_msg("%s: not found", row->name);
}

static void test_rows(void **state)
{
	struct dl_phdr_info o;
	struct gr_text t = our_text(&o);
	size_t n;
	struct gr_site *sites = find_sites(&t, &n);

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++)
		check_row(&rows[i], sites, n);
	free(sites);
}

/* Where a kernel thread may be waiting in the call, what follows the site must stay. */
static void test_keep_after(void **state)
{
	struct dl_phdr_info o;
	struct gr_text t = our_text(&o);
	size_t n;
	struct gr_site *sites;

	(void)state;
	t.keep_after = true;
	sites = find_sites(&t, &n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(sites[i].after, 0);
		if (sites[i].at == here_after)
			assert_int_equal(sites[i].before, 5);
		if (sites[i].at == here_padding)
			assert_int_equal(sites[i].state, GR_SITE_FAILED);
	}
	free(sites);
}

/* Each gives its result as before, and comes by the gate exactly when its row says so. */
static void test_sites_run(void **state)
{
	struct gr_patch_stats stats = { 0 };
	struct gr_rewritten done;
	struct dl_phdr_info o;
	struct gr_text t = our_text(&o);
	long pid = getpid();

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++)
		if (rows[i].called)
			assert_int_equal(rows[i].call(0, 5), pid);
	assert_int_equal(gr_patch_text(&t, &stats, &done), 0);
	assert_non_null(done.jump);
	assert_int_equal(stats.objects, 1);
	assert_int_equal(stats.kept, 2);
	assert_int_equal(stats.sites, stats.kept + stats.patched + stats.failed);
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		unsigned long before = gate_entries;

		if (!rows[i].called)
			continue;
		if (rows[i].call(0, 5) != pid)
			fail_msg("%s: %s: wrong result", rows[i].name, rows[i].when);
		if ((gate_entries != before) != (rows[i].state == GR_SITE_MOVABLE))
			fail_msg("%s: %s: %lu entries", rows[i].name, rows[i].when, gate_entries - before);
	}
	assert_int_equal(site_jcc_after(1, 0), pid + 1);	/* the other way */
}

/* --- all that is loaded, each time in a child -------------------------------------------------------------------------------- */

#define CHECK(what) \
	do { \
		if (!(what)) { \
			dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
			_exit(1); \
		} \
	} while (0)

enum { SKIPPED = 77 };

static void in_child(void (*fn)(void))
{
	pid_t pid;
	int status;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(status, 0);
}

struct movable {
	unsigned n;
	const char *object;	/* whose name has this in it, or all */
};

static int count_movable(struct dl_phdr_info *o, size_t size, void *arg)
{
	struct movable *m = arg;

	(void)size;
	if (o->dlpi_name[0] == '\0' || strstr(o->dlpi_name, "vdso") || (m->object && !strstr(o->dlpi_name, m->object)))
		return 0;
	for (unsigned i = 0; i < o->dlpi_phnum; i++) {
		const uint8_t *lo = (const uint8_t *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr);
		struct gr_text t = { lo, lo + o->dlpi_phdr[i].p_filesz, o, false };
		struct gr_site *sites;
		size_t n;

		if (o->dlpi_phdr[i].p_type != PT_LOAD || !(o->dlpi_phdr[i].p_flags & PF_X))
			continue;
		sites = find_sites(&t, &n);
		while (n-- > 0)
			m->n += sites[n].state == GR_SITE_MOVABLE;
		free(sites);
	}
	return 0;
}

static unsigned movable(const char *object)
{
	struct movable m = { 0, object };

	dl_iterate_phdr(count_movable, &m);
	return m.n;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turns;
static volatile sig_atomic_t signals;

static void *take_turns(void *arg)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < 100; i++) {
		while (turns % 4 != (int)(intptr_t)arg)
			pthread_cond_wait(&cond, &lock);
		turns++;
		pthread_cond_broadcast(&cond);
	}
	pthread_mutex_unlock(&lock);
	return arg;
}

static void use_threads(void)
{
	pthread_t t[4];
	void *ret;

	turns = 0;
	for (intptr_t i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, take_turns, (void *)i) == 0);
	for (intptr_t i = 0; i < 4; i++)
		CHECK(pthread_join(t[i], &ret) == 0 && ret == (void *)i);
	CHECK(turns == 400);
}

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

static void use_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	signals = 0;
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	for (int i = 0; i < 10; i++)
		raise(SIGUSR1);
	CHECK(signals == 10);
}

static void use_processes(void)
{
	char *argv[] = { "sh", "-c", "exit 5", NULL }, line[32] = "";
	int status;
	pid_t pid;
	FILE *p;

	CHECK(system("exit 3") == 3 << 8);
	CHECK(posix_spawnp(&pid, "sh", NULL, NULL, argv, environ) == 0 && waitpid(pid, &status, 0) == pid && status == 5 << 8);
	CHECK((p = popen("echo from a child", "r")) && fgets(line, sizeof(line), p) && pclose(p) == 0);
	CHECK(strcmp(line, "from a child\n") == 0);
	pid = fork();
	if (pid == 0)
		_exit(getppid() > 1 ? 7 : 8);
	CHECK(waitpid(pid, &status, 0) == pid && status == 7 << 8);
	pid = vfork();
	if (pid == 0)
		_exit(9);
	CHECK(waitpid(pid, &status, 0) == pid && status == 9 << 8);
}

static void use_files(void)
{
	struct timespec t = { 0, 1000 };
	struct addrinfo *ai, hints = { .ai_flags = AI_NUMERICHOST };
	char line[32];
	FILE *f = tmpfile();

	CHECK(f && fputs("some text\n", f) >= 0 && fflush(f) == 0);
	rewind(f);
	CHECK(fgets(line, sizeof(line), f) && strcmp(line, "some text\n") == 0 && fclose(f) == 0);
	CHECK(nanosleep(&t, NULL) == 0 && time(NULL) > 0 && clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	CHECK(getaddrinfo("127.0.0.1", "80", &hints, &ai) == 0);
	freeaddrinfo(ai);
	errno = 0;
	CHECK(read(-1, line, 1) == -1 && errno == EBADF);
}

static void use_libc(void)
{
	use_files();
	use_signals();
	use_processes();
	use_threads();
}

/* Reads the map without stdio, which might not work any more; true when a line has @perms and @name in it. */
static bool is_mapped(const char *perms, const char *name)
{
	static char maps[1 << 18];
	int fd = (int)raw(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY, 0);
	size_t len = 0;
	long n;

	while ((n = raw(SYS_read, fd, maps + len, sizeof(maps) - 1 - len)) > 0)
		len += (size_t)n;
	maps[len] = '\0';
	raw(SYS_close, fd);
	for (char *line = maps, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (strstr(line, perms) && strstr(line, name))
			return true;
	}
	return false;
}

static void patches_libc(void)
{
	struct gr_patch_stats stats = { 0 }, again;
	unsigned n = movable("libc.so");

	CHECK(n > 100);
	CHECK(gr_patch_loaded(&stats) == 0);
	CHECK(stats.objects >= 2 && stats.patched >= n && stats.sites == stats.patched + stats.kept + stats.failed);
	CHECK(stats.kept >= 1);
	CHECK(movable(NULL) == 0);
	CHECK(!is_mapped(" rwx", "") && !is_mapped(" -wx", "") && is_mapped(" r-xp", "/libc.so"));
	CHECK(!is_mapped(" rw-p", "(deleted)"));
	again = stats;
	CHECK(gr_patch_loaded(&again) == 0 && memcmp(&again, &stats, sizeof(stats)) == 0);
	CHECK(getppid() > 1 && gate_entries > 0);
	use_libc();
	CHECK(gate_entries > 500);
}

static void test_patches_libc(void **state)
{
	(void)state;
	in_child(patches_libc);
}

/* A library that comes, goes and comes back, to the same address or another, is patched each time. */
static void patches_what_comes(void)
{
	static const char name[] = "libgomp.so.1";
	struct gr_patch_stats stats = { 0 };

	CHECK(gr_patch_loaded(&stats) == 0);
	for (int i = 0; i < 4; i++) {
		struct gr_patch_stats more = { 0 };
		void *lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
		unsigned n;

		if (!lib)
			_exit(SKIPPED);
		n = movable(name);
		CHECK(n > 0 || i > 0);
		CHECK(gr_patch_loaded(&more) == 0 && more.patched == n && more.objects == (n > 0));
		CHECK(movable(name) == 0);
		dlclose(lib);
	}
	use_libc();
}

static void test_patches_what_comes(void **state)
{
	(void)state;
	in_child(patches_what_comes);
}

/* --- refusals ---------------------------------------------------------------------------------------------------------------- */

static void is_refused(int err)
{
	struct gr_patch_stats stats = { 0 };
	unsigned n = movable(NULL);

	CHECK(gr_patch_loaded(&stats) == err);
	CHECK(stats.patched == 0 && stats.failed >= n && stats.sites == stats.kept + stats.failed);
	CHECK(movable(NULL) == n && is_mapped(" r-xp", "/libc.so"));
	use_files();
	use_threads();
	CHECK(gate_entries == 0);
}

static void no_exec_gain(void)
{
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
	if (prctl(PR_SET_MDWE, 1, 0, 0, 0) != 0)
		_exit(SKIPPED);
	is_refused(-EACCES);
}

static void test_no_exec_gain(void **state)
{
	(void)state;
	in_child(no_exec_gain);
}

/* From now on system call @nr fails with EPERM when bit @bit of its argument @arg is set. */
static void forbid(unsigned nr, unsigned arg, unsigned bit)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(offsetof(struct seccomp_data, args) + 8 * arg)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bit, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { GR_LENGTH(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
		_exit(SKIPPED);
}

static void no_mprotect(void)
{
	forbid(SYS_mprotect, 2, PROT_EXEC);
	is_refused(-EPERM);
}

static void no_mremap(void)
{
	forbid(SYS_mremap, 3, MREMAP_FIXED);
	is_refused(-EPERM);
}

static void test_no_mprotect(void **state)
{
	(void)state;
	in_child(no_mprotect);
}

static void test_no_mremap(void **state)
{
	(void)state;
	in_child(no_mremap);
}

/* --- other kernel threads, waiting in calls made before -------------------------------------------------------------------- */

static int pipes[2][2];

static void *wait_in_read(void *arg)
{
	char c;

	CHECK(read(pipes[(intptr_t)arg][0], &c, 1) == 1 && c == 'x');
	return NULL;
}

static void patches_around_waiters(void)
{
	struct gr_patch_stats stats = { 0 };
	char stat[64], line[512];
	pthread_t t[2];

	for (intptr_t i = 0; i < 2; i++)
		CHECK(pipe(pipes[i]) == 0 && pthread_create(&t[i], NULL, wait_in_read, (void *)i) == 0);
	for (int waiting = 0; waiting < 2; sched_yield()) {	/* in the kernel, by now: state S of all tasks but ours */
		waiting = 0;
		snprintf(stat, sizeof(stat), "cat /proc/%d/task/*/stat", getpid());
		FILE *p = popen(stat, "r");

		while (fgets(line, sizeof(line), p))
			waiting += strtol(line, NULL, 10) != getpid() && strstr(line, ") S ");
		pclose(p);
	}
	CHECK(gr_patch_loaded(&stats) == 0 && stats.patched > 100);
	for (intptr_t i = 0; i < 2; i++)
		CHECK(write(pipes[i][1], "x", 1) == 1 && pthread_join(t[i], NULL) == 0);
	CHECK(gate_entries > 0);
	use_libc();
}

static void test_patches_around_waiters(void **state)
{
	(void)state;
	in_child(patches_around_waiters);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_keep_after),
		cmocka_unit_test(test_sites_run),
	};
	const struct CMUnitTest whole[] = {		/* Valgrind has a map, and permissions, of its own */
		cmocka_unit_test(test_no_exec_gain),
		cmocka_unit_test(test_no_mprotect),
		cmocka_unit_test(test_no_mremap),
		cmocka_unit_test(test_patches_libc),
		cmocka_unit_test(test_patches_what_comes),
		cmocka_unit_test(test_patches_around_waiters),
	};
	int n_failed = RUNNING_ON_VALGRIND ? 0 : cmocka_run_group_tests(whole, NULL, NULL);

	return n_failed + cmocka_run_group_tests(tests, NULL, NULL);
}
