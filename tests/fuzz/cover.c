/*
 * cover.c - linked into a libgrove that was compiled with -fsanitize-coverage=inline-8bit-counters: says where its counters are
 *
 * libgrove exports nothing of it, so the place goes through the environment, to fuzz_calls in the same process.
 */
#include <stdio.h>
#include <stdlib.h>

void __sanitizer_cov_8bit_counters_init(char *start, char *stop);

__attribute__((visibility("hidden"))) void __sanitizer_cov_8bit_counters_init(char *start, char *stop)
{
	const char *other = getenv("FUZZ_COVER_AT");		/* the shim's own are few */
	size_t size = (size_t)(stop - start), other_size = 0;
	char text[60];

	if (other && sscanf(other, "%*p %zu", &other_size) == 1 && other_size >= size)
		return;
	snprintf(text, sizeof(text), "%p %zu", (void *)start, size);
	setenv("FUZZ_COVER_AT", text, 1);
}
