/*
 * object.h - an ELF file as `grove --explain' sees it: what it takes from other files, what it gives, its own system calls
 *
 * Nothing is executed but the dynamic linker with --list, which only looks for the libraries that a program needs.
 */
#ifndef GROVE_OBJECT_H
#define GROVE_OBJECT_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object {
	const char *path, *name;	/* name: without folders */
	const uint8_t *image;		/* the file, mapped */
	size_t size;
	const Elf64_Sym *symbols;	/* of the dynamic symbol table */
	size_t count, first_defined;	/* those before first_defined are taken from others */
	const char *strings;
	size_t strings_size;
	bool libc;			/* a part of the C library, whose functions are known by name */
	bool executable_stack;
};

struct objects {
	struct object *v;		/* the program first, then what it needs */
	size_t n;
	char *missing;			/* the first library that was not found, or NULL */
};

/* The program at @path, whose dynamic linker is @linker, and all libraries that it needs.  False: they could not be found out. */
bool objects_find(const char *path, const char *linker, struct objects *ret);

/* The name of symbol @i, or NULL: it has none */
const char *object_symbol(const struct object *o, size_t i);

/* Does @o define the function @name? */
bool object_defines(const struct object *o, const char *name);

/* Calls @fn for each `syscall' instruction before which a number is loaded, with that number; its two bytes alone prove nothing. */
void object_calls(const struct object *o, void (*fn)(void *arg, int number), void *arg);

#endif
