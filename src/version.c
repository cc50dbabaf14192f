/*
 * version.c - which grove this is
 */
#include <grove/version.h>

const char *grove_version(void)
{
	return GROVE_VERSION;
}
