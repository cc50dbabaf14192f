/*
 * functions.h - which system calls a function of the C library makes, and so what grove does with it
 */
#ifndef GROVE_FUNCTIONS_H
#define GROVE_FUNCTIONS_H

/* In the order in which they are told of */
enum what { PARKS, OFFLOADS, OURS, NOTES, PASSES, REFUSES, WHATS };

struct function {
	enum what what;
	const char *calls;	/* system calls, by name */
	const char *how;
};

/* What is done with the function of this @name; .calls is NULL for one that makes no call of interest. */
struct function function_of(const char *name);

/* The name of a system call; NULL: there is none with that number */
const char *call_name(int number);

#endif
