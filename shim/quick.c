/*
 * quick.c - the launcher's way for an ordinary program, before its own libc has begun
 *
 * Half of what the launcher takes is libc asking the processor for its caches, which in a virtual machine costs 10 us a question.  So a
 * launcher that is linked statically begins here (configure.ac: -e gr_quick_start).  What is usual is done at once, by system calls alone: no
 * options, an ELF program for this machine and glibc, nothing that makes an execution secure, no LD_PRELOAD yet.  Whatever is not, or may not
 * be, is left to grove.c, which begins as if nothing had been: all judging, and every message, is there.
 *
 * Nothing is relocated yet and there is no TLS block: no calls of libc, no tables of pointers.
 */
#include "../src/raw.h"
#include <elf.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define HEAD		1024		/* bytes of the program that are looked at: its headers and the name of its dynamic linker */
#define ENV_MAX		4096		/* variables */
#define PRELOAD		"LD_PRELOAD="

__asm__(".text\n"
	".globl gr_quick_start\n"
	".type gr_quick_start, @function\n"
	"gr_quick_start:\n"
	"	movq %rsp, %rdi\n"
	"	pushq %rdx\n"
	"	subq $8, %rsp\n"
	"	call gr_quick\n"
	"	addq $8, %rsp\n"
	"	popq %rdx\n"
	"	jmp _start\n"
	".size gr_quick_start, . - gr_quick_start\n");

/* A path being put together; it ends in a null byte when .ok */
struct path {
	char s[PATH_MAX];
	size_t n;
	bool ok;
};

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static bool begins(const char *s, const char *with)
{
	while (*with)
		if (*s++ != *with++)
			return false;
	return true;
}

static bool has(const char *s, char c)
{
	while (*s)
		if (*s++ == c)
			return true;
	return false;
}

static void add(struct path *p, const char *s, size_t n)
{
	p->ok = p->ok && p->n + n < sizeof(p->s);
	for (size_t i = 0; p->ok && i < n; i++)
		p->s[p->n++] = s[i];
	if (p->ok)
		p->s[p->n] = '\0';
}

static void begin(struct path *p, const char *s, size_t n)
{
	p->n = 0;
	p->ok = true;
	add(p, s, n);
}

static bool is_file(const struct path *p, size_t from)
{
	struct stat st;

	return p->ok && raw(SYS_stat, p->s + from, &st) == 0 && S_ISREG(st.st_mode);
}

/* The first file of that name in PATH, if it can be executed.  An entry that is empty means the current directory. */
static bool find_program(const char *name, const char *dirs, struct path *ret)
{
	size_t n;

	begin(ret, name, length(name));
	if (has(name, '/') || !*name)
		return *name && is_file(ret, 0);
	for (; dirs && *dirs; dirs += n + (dirs[n] == ':')) {
		for (n = 0; dirs[n] && dirs[n] != ':'; n++)
			;
		if (n == 0)
			return false;
		begin(ret, dirs, n);
		add(ret, "/", 1);
		add(ret, name, length(name));
		if (is_file(ret, 0))
			return true;
	}
	return false;
}

/* Is it plainly one of glibc's?  Ends within the @room bytes at @linker. */
static bool is_glibcs(const char *linker, size_t room)
{
	const char *base = linker;
	size_t n = 0;

	for (; n < room && linker[n]; n++)
		if (linker[n] == '/')
			base = linker + n + 1;
	return n < room && begins(base, "ld-linux") && raw(SYS_access, linker, 1 /* X_OK */) == 0;
}

static bool is_usual_elf(const char *head, size_t got)
{
	const Elf64_Ehdr *h = (const void *)head;
	const Elf64_Phdr *p;

	if (got < sizeof(*h) || !begins(head, ELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_machine != EM_X86_64 || (h->e_type != ET_EXEC && h->e_type != ET_DYN) || h->e_phentsize != sizeof(*p) ||
	    h->e_phoff % 8 || h->e_phoff > got || h->e_phnum > (got - h->e_phoff) / sizeof(*p))
		return false;
	p = (const void *)(head + h->e_phoff);
	for (unsigned i = 0; i < h->e_phnum; i++)
		if (p[i].p_type == PT_INTERP)
			return p[i].p_offset < got && p[i].p_filesz <= got - p[i].p_offset && is_glibcs(head + p[i].p_offset, p[i].p_filesz);
	return false;
}

/* A program that ld.so will preload something for: see check_credentials() in grove.c. */
static bool is_usual(const struct path *program)
{
	char head[HEAD] __attribute__((aligned(8)));
	long fd = raw(SYS_open, program->s, O_RDONLY | O_CLOEXEC), got;
	struct stat st;
	bool usual;

	if (raw_failed(fd))
		return false;
	got = raw(SYS_read, fd, head, sizeof(head));
	usual = got > 0 && raw(SYS_fstat, fd, &st) == 0 && !(st.st_mode & (S_ISUID | S_ISGID)) &&
		raw(SYS_fgetxattr, fd, "security.capability", 0, 0) <= 0 && is_usual_elf(head, (size_t)got);
	raw(SYS_close, fd);
	return usual;
}

static bool in_folder(struct path *ret, size_t folder, const char *name)
{
	ret->n = folder;
	add(ret, name, length(name));
	return is_file(ret, sizeof(PRELOAD) - 1);
}

/* As in grove.c: beside the launcher, or where it was to be installed.  @ret: after "LD_PRELOAD=" */
static bool find_shim(struct path *ret)
{
	size_t folder;
	long n;

	begin(ret, PRELOAD, sizeof(PRELOAD) - 1);
	n = raw(SYS_readlink, "/proc/self/exe", ret->s + ret->n, sizeof(ret->s) / 2);
	if (n <= 0 || n >= (long)sizeof(ret->s) / 2)
		return false;
	for (folder = ret->n + (size_t)n; ret->s[folder - 1] != '/'; folder--)
		;
	folder--;
	return in_folder(ret, folder, "/libgrove-shim.so") || in_folder(ret, folder, "/.libs/libgrove-shim.so") ||
	       in_folder(ret, folder, "/../lib/libgrove-shim.so") || in_folder(ret, sizeof(PRELOAD) - 1, GROVE_LIBDIR "/libgrove-shim.so");
}

/* From the auxiliary vector, behind the environment: is this process one that ld.so does not trust itself? */
static bool is_trusted(const Elf64_auxv_t *aux)
{
	uint64_t id[4] = { 0, 1, 0, 1 };

	for (; aux->a_type != AT_NULL; aux++) {
		id[0] = aux->a_type == AT_UID ? aux->a_un.a_val : id[0];
		id[1] = aux->a_type == AT_EUID ? aux->a_un.a_val : id[1];
		id[2] = aux->a_type == AT_GID ? aux->a_un.a_val : id[2];
		id[3] = aux->a_type == AT_EGID ? aux->a_un.a_val : id[3];
	}
	return id[0] == id[1] && id[2] == id[3];
}

/* Comes back when the program is not an ordinary one, or cannot be executed.  @sp: as the kernel left it */
__attribute__((used)) void gr_quick(long *sp)
{
	char **argv = (char **)(sp + 1), **env = argv + sp[0] + 1, *with[ENV_MAX + 2];
	const char *dirs = NULL;
	struct path program, preload;
	size_t n = 0;

	if (sp[0] < 2 || argv[1][0] == '-' || (begins(argv[1], "compare") && length(argv[1]) == 7))
		return;
	for (; env[n]; n++) {
		if (n == ENV_MAX || begins(env[n], PRELOAD))
			return;
		if (!dirs && begins(env[n], "PATH="))		/* the first, as for getenv() */
			dirs = env[n] + 5;
		with[n] = env[n];
	}
	if (!is_trusted((const Elf64_auxv_t *)(env + n + 1)) || !find_program(argv[1], dirs ? dirs : "/bin:/usr/bin", &program) || !is_usual(&program) ||
	    !find_shim(&preload) || has(preload.s, ' ') || has(preload.s, ':') || has(preload.s, '$'))
		return;
	with[n] = preload.s;
	with[n + 1] = NULL;
	raw(SYS_execve, program.s, argv + 1, with);
}
