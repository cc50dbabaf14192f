/*
 * tools.h - tests that Valgrind or AddressSanitizer cannot judge
 *
 * They stand in a table of their own, which is not run under the tool: a test that is run is never skipped for it.
 */
#ifndef TEST_TOOLS_H
#define TEST_TOOLS_H

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_STACK_REGISTER(lo, hi) 0
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#ifdef __SANITIZE_ADDRESS__
#define UNDER_ASAN 1
#else
#define UNDER_ASAN 0
#endif

#endif
