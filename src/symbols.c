/*
 * symbols.c - objects by address, and the symbol tables of their files
 */
#include "symbols.h"
#include "raw.h"
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#ifdef DLFO_STRUCT_HAS_EH_DBASE
extern __typeof__(_dl_find_object) _dl_find_object __attribute__((weak));

static const struct link_map *object_at(const void *address)
{
	struct dl_find_object found;

	if (!_dl_find_object || _dl_find_object((void *)(uintptr_t)address, &found) != 0)
		return NULL;
	return found.dlfo_link_map;
}
#else
static const struct link_map *object_at(const void *address)
{
	(void)address;
	return NULL;
}
#endif

static void copy(char *to, const char *from, size_t size)
{
	size_t n = 0;

	for (; from[n] && n < size - 1; n++)
		to[n] = from[n];
	to[n] = '\0';
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool gr_symbols_own(const void *pc)
{
	const struct link_map *map = object_at(pc);

	return map && strncmp(base_name(map->l_name), "libgrove", strlen("libgrove")) == 0;
}

/* --- the file ------------------------------------------------------------------------------------------------------------------- */

void gr_symbols_end(struct gr_symbols *s)
{
	if (s->image)
		raw(SYS_munmap, s->image, s->size);
	*s = (struct gr_symbols){ 0 };
}

static void open_object(struct gr_symbols *s, const struct link_map *map)
{
	struct stat st;
	long fd, p;

	if (s->object == map)
		return;
	gr_symbols_end(s);
	s->object = map;
	fd = raw(SYS_open, map->l_name[0] ? map->l_name : "/proc/self/exe", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return;
	p = raw(SYS_fstat, fd, &st);
	if (p == 0)
		p = raw(SYS_mmap, 0, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	raw(SYS_close, fd);
	if (raw_failed(p))
		return;
	s->image = (const char *)p;
	s->size = (size_t)st.st_size;
}

static const Elf64_Shdr *section(const struct gr_symbols *s, size_t n)
{
	const Elf64_Ehdr *h = (const void *)s->image;
	size_t at = h->e_shoff + n * sizeof(Elf64_Shdr);

	return n < h->e_shnum && h->e_shentsize == sizeof(Elf64_Shdr) && at % 8 == 0 && at <= s->size && s->size - at >= sizeof(Elf64_Shdr) ?
		       (const void *)(s->image + at) :
		       NULL;
}

static bool lies_within(const struct gr_symbols *s, const Elf64_Shdr *sec)
{
	return sec && sec->sh_offset % 8 == 0 && sec->sh_offset <= s->size && sec->sh_size <= s->size - sec->sh_offset;
}

/* .symtab, or .dynsym where the file is stripped */
static const Elf64_Shdr *symbol_table(const struct gr_symbols *s)
{
	const Elf64_Shdr *best = NULL, *sec;

	if (s->size < sizeof(Elf64_Ehdr) || memcmp(s->image, ELFMAG, SELFMAG) != 0)
		return NULL;
	for (size_t n = 0; (sec = section(s, n)) != NULL; n++)
		if (sec->sh_type == SHT_SYMTAB || (sec->sh_type == SHT_DYNSYM && !best))
			best = sec;
	return lies_within(s, best) ? best : NULL;
}

/* Of several names for one thing the one with the fewest underscores before it, then the shortest */
static bool is_nicer(const char *name, const char *than)
{
	size_t a = strspn(name, "_"), b = strspn(than, "_");

	return a < b || (a == b && strlen(name) < strlen(than));
}

static bool fits(const Elf64_Sym *sym, uint64_t at, bool function)
{
	unsigned type = ELF64_ST_TYPE(sym->st_info);

	if (sym->st_shndx == SHN_UNDEF || at < sym->st_value || at - sym->st_value >= sym->st_size)
		return false;
	return function ? type == STT_FUNC || type == STT_GNU_IFUNC : type == STT_OBJECT;
}

static void find_name(const struct gr_symbols *s, bool function, struct gr_symbol *ret)
{
	const Elf64_Shdr *tab = s->image ? symbol_table(s) : NULL, *str = tab ? section(s, tab->sh_link) : NULL;
	const Elf64_Sym *sym, *end;
	const char *best = NULL;

	if (!str || str->sh_offset > s->size || str->sh_size > s->size - str->sh_offset)
		return;
	sym = (const void *)(s->image + tab->sh_offset);
	end = sym + tab->sh_size / sizeof(*sym);
	for (; sym < end; sym++) {
		const char *name = s->image + str->sh_offset + sym->st_name;

		if (!fits(sym, ret->at, function) || sym->st_name >= str->sh_size || (best && !is_nicer(name, best)))
			continue;
		best = name;
		ret->offset = ret->at - sym->st_value;
	}
	if (best)
		copy(ret->name, best, sizeof(ret->name));
}

static void find_file(const struct link_map *map, struct gr_symbol *ret)
{
	long n;

	if (map->l_name[0]) {
		copy(ret->file, map->l_name, sizeof(ret->file));
		return;
	}
	n = raw(SYS_readlink, "/proc/self/exe", ret->file, sizeof(ret->file) - 1);
	ret->file[n > 0 ? n : 0] = '\0';
}

bool gr_symbols_find(struct gr_symbols *s, const void *address, bool function, struct gr_symbol *ret)
{
	const struct link_map *map = object_at(address);

	*ret = (struct gr_symbol){ .at = (uintptr_t)address };
	if (!map)
		return false;
	ret->at -= map->l_addr;
	find_file(map, ret);
	open_object(s, map);
	find_name(s, function, ret);
	return true;
}
