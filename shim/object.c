/*
 * object.c - reading ELF files; none of them is trusted: every offset is compared with the file's size
 */
#include "object.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* --- parts of a file -------------------------------------------------------------------------------------------------------- */

static const void *part(const struct object *o, uint64_t offset, uint64_t size)
{
	return offset <= o->size && size <= o->size - offset ? o->image + offset : NULL;
}

static const Elf64_Phdr *segment(const struct object *o, size_t i)
{
	const Elf64_Ehdr *h = (const void *)o->image;

	return i < h->e_phnum ? part(o, h->e_phoff + i * sizeof(Elf64_Phdr), sizeof(Elf64_Phdr)) : NULL;
}

/* What lies at @address when the object is loaded, and *ret_room bytes after it */
static const void *loaded(const struct object *o, uint64_t address, size_t *ret_room)
{
	const Elf64_Phdr *p;

	for (size_t i = 0; (p = segment(o, i)); i++) {
		if (p->p_type != PT_LOAD || address < p->p_vaddr || address - p->p_vaddr >= p->p_filesz)
			continue;
		*ret_room = p->p_filesz - (address - p->p_vaddr);
		return part(o, p->p_offset + (address - p->p_vaddr), *ret_room);
	}
	return NULL;
}

/* --- symbols ---------------------------------------------------------------------------------------------------------------- */

/* DT_GNU_HASH: symbols from `first' on are defined here; the last one ends the longest chain. */
static void count_by_gnu_hash(struct object *o, uint64_t address)
{
	size_t room;
	const uint32_t *h = loaded(o, address, &room), *buckets, *chains;
	uint64_t words, last = 0;

	if (!h || room < 16)
		return;
	o->first_defined = o->count = h[1];
	words = 4 + (uint64_t)h[2] * 2 + h[0];
	if (words * 4 > room)
		return;
	buckets = h + 4 + h[2] * 2;
	chains = buckets + h[0];
	for (uint32_t i = 0; i < h[0]; i++)
		if (buckets[i] > last)
			last = buckets[i];
	if (last < h[1])
		return;
	while ((words + (last - h[1]) + 1) * 4 <= room && !(chains[last - h[1]] & 1))
		last++;
	o->count = last + 1;
}

static void count_by_hash(struct object *o, uint64_t address)
{
	size_t room;
	const uint32_t *h = loaded(o, address, &room);

	if (h && room >= 8)
		o->first_defined = o->count = h[1];
}

static void read_dynamic(struct object *o, const Elf64_Dyn *d, size_t n)
{
	uint64_t symbols = 0, strings = 0, hash = 0, gnu_hash = 0;
	size_t room;

	for (size_t i = 0; i < n && d[i].d_tag != DT_NULL; i++) {
		switch (d[i].d_tag) {
		case DT_SYMTAB: symbols = d[i].d_un.d_ptr; break;
		case DT_STRTAB: strings = d[i].d_un.d_ptr; break;
		case DT_STRSZ: o->strings_size = d[i].d_un.d_val; break;
		case DT_HASH: hash = d[i].d_un.d_ptr; break;
		case DT_GNU_HASH: gnu_hash = d[i].d_un.d_ptr; break;
		}
	}
	o->strings = loaded(o, strings, &room);
	if (!o->strings || !room)
		return;
	if (o->strings_size > room)
		o->strings_size = room;
	if (gnu_hash)
		count_by_gnu_hash(o, gnu_hash);
	else
		count_by_hash(o, hash);
	o->symbols = loaded(o, symbols, &room);
	if (!o->symbols)
		o->count = 0;
	else if (o->count > room / sizeof(Elf64_Sym))
		o->count = room / sizeof(Elf64_Sym);
	if (o->first_defined > o->count)
		o->first_defined = o->count;
}

const char *object_symbol(const struct object *o, size_t i)
{
	uint64_t at = i < o->count ? o->symbols[i].st_name : 0;

	return at && at < o->strings_size && memchr(o->strings + at, '\0', o->strings_size - at) ? o->strings + at : NULL;
}

bool object_defines(const struct object *o, const char *name)
{
	for (size_t i = 1; i < o->count; i++) {
		const char *mine = o->symbols[i].st_shndx == SHN_UNDEF ? NULL : object_symbol(o, i);

		if (mine && !strcmp(mine, name))
			return true;
	}
	return false;
}

/* --- objects ---------------------------------------------------------------------------------------------------------------- */

static bool is_libc(const char *name)
{
	static const char *const parts[] = { "libc.so.", "libpthread.so.", "librt.so.", "libdl.so.", "libm.so.", "libresolv.so.",
					     "libanl.so.", "libutil.so.", "libnsl.so.1", "ld-linux", "libBrokenLocale.so." };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!strncmp(name, parts[i], strlen(parts[i])))
			return true;
	return false;
}

static bool open_object(const char *path, struct object *ret)
{
	const char *slash = strrchr(path, '/');
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const Elf64_Phdr *p;
	const void *dynamic;
	struct stat st;
	void *image;

	if (fd == -1)
		return false;
	image = fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(Elf64_Ehdr) ?
			mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	close(fd);
	if (image == MAP_FAILED)
		return false;
	*ret = (struct object){ .path = path, .name = slash ? slash + 1 : path, .image = image, .size = (size_t)st.st_size };
	ret->libc = is_libc(ret->name);
	if (memcmp(image, ELFMAG, SELFMAG) || ret->image[EI_CLASS] != ELFCLASS64)
		return false;
	for (size_t i = 0; (p = segment(ret, i)); i++) {
		ret->executable_stack |= p->p_type == PT_GNU_STACK && (p->p_flags & PF_X);
		dynamic = p->p_type == PT_DYNAMIC ? part(ret, p->p_offset, p->p_filesz) : NULL;
		if (dynamic)
			read_dynamic(ret, dynamic, p->p_filesz / sizeof(Elf64_Dyn));
	}
	return true;
}

static void append(struct objects *all, const char *path)
{
	struct object *more = realloc(all->v, (all->n + 1) * sizeof(*more));

	if (!more)
		return;
	all->v = more;
	all->n += open_object(path, &more[all->n]);
}

/* A line of `ld.so --list': "name => path (0x...)", "path (0x...)", or an error, "...: name: cannot open shared object file: ..." */
static void read_line(char *line, struct objects *all)
{
	char *arrow = strstr(line, " => "), *path = arrow ? arrow + 4 : line + strspn(line, " \t"), *end = strstr(path, " (0x");
	char *error = strstr(line, ": cannot open shared object file"), *name;

	if (error && !all->missing) {
		*error = '\0';
		name = strrchr(line, ' ');
		all->missing = strdup(name ? name + 1 : line);
	} else if (end && *path == '/') {
		*end = '\0';
		append(all, strdup(path));
	}
}

bool objects_find(const char *path, const char *linker, struct objects *ret)
{
	char *argv[] = { (char *)linker, "--list", (char *)path, NULL }, *line = NULL;
	posix_spawn_file_actions_t actions;
	size_t room = 0;
	int p[2], status = -1;
	pid_t pid;
	FILE *from;

	*ret = (struct objects){ NULL, 0, NULL };
	append(ret, path);
	if (ret->n == 0 || pipe2(p, O_CLOEXEC) == -1)
		return false;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, p[1], 1);
	posix_spawn_file_actions_adddup2(&actions, p[1], 2);
	status = posix_spawn(&pid, linker, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(p[1]);
	from = fdopen(p[0], "r");
	if (status || !from)
		return false;
	while (getline(&line, &room, from) != -1)
		read_line(line, ret);
	free(line);
	fclose(from);
	return waitpid(pid, &status, 0) == pid && (status == 0 || ret->missing);
}

/* --- system calls of its own --------------------------------------------------------------------------------------------------- */

/* The number that is loaded shortly before @at, by mov $n,%eax or mov $n,%rax, the nearest of them; or -1 */
static int number_before(const uint8_t *lo, const uint8_t *at)
{
	for (const uint8_t *p = at - 5; p >= lo && p >= at - 20; p--) {
		uint32_t n;

		if (p[0] != 0xb8 && !(p[0] == 0xc0 && p - 2 >= lo && p[-1] == 0xc7 && p[-2] == 0x48))
			continue;
		memcpy(&n, p + 1, sizeof(n));
		if (n < 1024)
			return (int)n;
	}
	return -1;
}

void object_calls(const struct object *o, void (*fn)(void *arg, int number), void *arg)
{
	static const uint8_t insn[] = { 0x0f, 0x05 };
	const Elf64_Phdr *p;

	for (size_t i = 0; (p = segment(o, i)); i++) {
		const uint8_t *lo = p->p_type == PT_LOAD && (p->p_flags & PF_X) ? part(o, p->p_offset, p->p_filesz) : NULL;
		const uint8_t *hi = lo ? lo + p->p_filesz : NULL;

		for (const uint8_t *at = lo; at && (at = memmem(at, (size_t)(hi - at), insn, sizeof(insn))); at += sizeof(insn))
			if (number_before(lo, at) >= 0)
				fn(arg, number_before(lo, at));
	}
}
