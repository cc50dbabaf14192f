/*
 * explain.h - `grove --explain': what would happen to this program's calls
 */
#ifndef GROVE_EXPLAIN_H
#define GROVE_EXPLAIN_H

#include <stdbool.h>

/* @program: an ELF file that grove can run, @linker: its dynamic linker; @all: each function with its system calls.  An exit status. */
int explain(const char *program, const char *linker, bool all);

#endif
